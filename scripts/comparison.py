"""What the scripts that compare pellucid with other engines share: the models at hand and the options that name them."""

import argparse
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def models_in_cache():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return sorted((cache / "pellucid" / "models").glob("*.gguf"))


def parser(description):
    """A parser with --binary and --model, to which a script adds its own options."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--binary", default=os.environ.get("PELLUCID_BINARY", ROOT / "build/release/src/cli/pellucid")
    )
    options.add_argument("--model", action="append", type=Path, help="default: every model in the cache")
    return options
