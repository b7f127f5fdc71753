#!/usr/bin/env python3
"""Refuses names in tracked files that mean something on one machine only: absolute paths of somebody's
checkout or home, addresses of package registries (a mirror may serve them), and work left for later."""

import re
import subprocess
import sys
from pathlib import Path

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$}/-])/(work|root|home/\w+|Users/\w+|tmp/\w+)/"),
    "a registry's address": re.compile(r"\b(pypi|pythonhosted|registry\.npmjs|index\.crates)\.(org|io)\b"),
    "work left for later": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
}
WRITTEN_BY_TOOLS = {"Cargo.lock", "package-lock.json"}
DATA = ("tests/cases/", "tests/golden/", "fuzz/corpus/")


def problems_in(path: str, text: str) -> list[str]:
    return [
        f"{path}:{number}: {what}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if (match := pattern.search(line))
    ]


def main() -> int:
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    problems = []
    for path in filter(None, tracked.split("\0")):
        if Path(path).name in WRITTEN_BY_TOOLS or path.startswith(DATA) or path.endswith(".png") or not Path(path).is_file():
            continue
        problems += problems_in(path, Path(path).read_bytes().decode(errors="replace"))
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
