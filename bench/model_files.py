"""The models of the comparison, each a file made or fetched on demand: real ones from the cache, other
quantisations of them, and larger shapes with random weights."""

import os
from dataclasses import dataclass
from pathlib import Path

import fetch_models
import random_model
import requantise

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / "build" / "bench" / "models"


@dataclass(frozen=True)
class Model:
    """A row of the comparison."""

    label: str
    source: tuple  # ("real", name), ("requantised", name, type) or ("random", shape, type)
    deep: bool = False  # decoding at depths as well: one of each shape, whose types share keys and values
    together: bool = False  # several texts together as well

    @property
    def name(self):
        return self.label.lower().replace(" ", "-")


MODELS = [
    Model("SmolLM2 135M Q4_1", ("real", "smollm2"), deep=True, together=True),
    Model("SmolLM2 135M Q4_0", ("requantised", "smollm2", "Q4_0")),
    Model("SmolLM2 135M Q8_0", ("requantised", "smollm2", "Q8_0")),
    Model("Gemma 3 270M Q4_K_M", ("real", "gemma3"), deep=True),
    Model("1.1B shape Q4_0", ("random", "1.1B", "Q4_0"), deep=True, together=True),
    Model("1.1B shape Q4_K_M", ("random", "1.1B", "Q4_K_M")),
    Model("1.1B shape Q8_0", ("random", "1.1B", "Q8_0")),
]
ON_REQUEST = [  # minutes a test
    Model("7B shape Q4_0", ("random", "7B", "Q4_0")),
    Model("7B shape Q4_K_M", ("random", "7B", "Q4_K_M")),
]
QUICK = ["smollm2-135m-q4_1", "1.1b-shape-q4_0"]


def made(path, script, write):
    """`path`, written by write(temporary path) unless it is there and newer than the script that makes it."""
    if not path.exists() or path.stat().st_mtime < Path(script.__file__).stat().st_mtime:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            write(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def path_of(model):
    """The file of a row, there when this returns."""
    match model.source:
        case ("real", name):
            return fetch_models.ensure(name)
        case ("requantised", name, kind):
            source = fetch_models.ensure(name)
            path = MADE / f"{name}.{kind}.gguf"
            return made(path, requantise, lambda out: requantise.write(source, kind, out))
        case ("random", shape, kind):
            path = MADE / f"random-{shape}.{kind}.gguf"
            return made(path, random_model, lambda out: random_model.write(out, shape, kind))
