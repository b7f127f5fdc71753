#!/usr/bin/env python3
"""Runs the transcripts of the documentation: the commands of its ```console blocks, and what they print.

    python scripts/transcripts.py [--write] PAGE.md ...

In such a block a line that begins with "$ " is a command for bash, the lines behind it are what it writes to standard
output; a line that ends in a backslash goes on in the next one. The commands of a page run one after another in one new
folder, with PELLUCID_BINARY as `pellucid`, in 80 columns. A line "…" in the page stands for any lines. Blocks without
"$ " are not transcripts. Without --write the exit status is 1 where a page shows something else than the program;
with it, what the program prints is put into the page.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("PELLUCID_BINARY") or ROOT / "build/release/src/cli/pellucid"
BLOCK = re.compile(r"^```console\n(\$ .*?)^```", re.M | re.S)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.M)
SKIPPED = "…\n"


@dataclass
class Entry:
    """A command of a page, and what the page says that it prints."""

    command: str
    shown: str
    at: tuple[int, int]  # where `shown` stands in the page


def entries(page: str) -> list[Entry]:
    found = []
    for block in BLOCK.finditer(page):
        commands = list(COMMAND.finditer(page, block.start(1), block.end(1)))
        ends = [each.start() for each in commands[1:]] + [block.end(1)]
        for command, end in zip(commands, ends, strict=True):
            at = (command.end(), end)
            found.append(Entry(command[1].replace("\\\n", ""), page[slice(*at)], at))
    return found


def output_of(command: str, folder: Path) -> str:
    """What it prints, in `folder`. A command that fails ends the program that asks."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    (tools / "pellucid").unlink(missing_ok=True)
    (tools / "pellucid").symlink_to(Path(BINARY).resolve())
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "80", "NO_COLOR": "1"}
    ended = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True)
    if ended.returncode != 0:
        raise RuntimeError(f"$ {command}\nends with {ended.returncode}\n{ended.stderr.decode()}")
    text = ended.stdout.decode()
    return text if text.endswith("\n") or not text else text + "\n"


def agrees(shown: str, printed: str) -> bool:
    pattern = "(?:.*\n)*".join(map(re.escape, shown.split(SKIPPED)))
    return re.fullmatch(pattern, printed) is not None


def differences(page: str, folder: Path) -> list[str]:
    """For each command whose output is not what the page shows, the two beside each other."""
    found = []
    for entry in entries(page):
        printed = output_of(entry.command, folder)
        if not agrees(entry.shown, printed):
            lines = difflib.unified_diff(entry.shown.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
            found.append("\n".join([f"$ {entry.command}", *lines]))
    return found


def written(page: str, folder: Path) -> str:
    """The page with what the program prints; where that agrees, as it was."""
    parts, done = [], 0
    for entry in entries(page):
        printed = output_of(entry.command, folder)
        parts += [page[done : entry.at[0]], entry.shown if agrees(entry.shown, printed) else printed]
        done = entry.at[1]
    return "".join(parts) + page[done:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what is printed into the pages")
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE.md")
    options = parser.parse_args()
    status = 0
    for path in options.pages:
        page = path.read_text()
        with tempfile.TemporaryDirectory() as folder:
            if options.write:
                path.write_text(written(page, Path(folder)))
            elif found := differences(page, Path(folder)):
                print(f"{path}:", *found, sep="\n", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
