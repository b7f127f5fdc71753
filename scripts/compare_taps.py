"""Finds the first step of a forward pass at which the engine and the reference part.

    python scripts/compare_taps.py REFERENCE.npz ENGINE.tap [--tolerance 1e-4] [--all]

REFERENCE.npz is written by tests/reference/forward.py --tap, ENGINE.tap by `pellucid logits --tap`: records, each
one line of JSON {"name": "Qcur", "layer": 3, "shape": [tokens, width], "dtype": "<f4"} and the values behind it as
raw little-endian bytes; "layer" is -1 for steps outside the layers. Records of one step that follow each other (a
prompt run in several batches) are joined by tokens. A step's difference is |engine - reference| / |reference|, both
Euclidean norms. Exit code 0: every step agrees; 1: one differs, or has another shape; 2: no step in common.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np


def read_tap(path):
    """The steps of an engine's tap file in order: {"Qcur-3": float array [tokens, width]}."""
    data, at, steps = Path(path).read_bytes(), 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        record = json.loads(data[at:end])
        dtype, (tokens, width) = np.dtype(record["dtype"]), record["shape"]
        values = np.frombuffer(data, dtype, tokens * width, end + 1).reshape(tokens, width)
        at = end + 1 + values.nbytes
        layer = record.get("layer", -1)
        steps.setdefault(record["name"] if layer < 0 else f"{record['name']}-{layer}", []).append(values)
    return {name: np.concatenate(parts) for name, parts in steps.items()}


def difference(reference, values):
    """Relative Euclidean distance; infinite where the shapes differ or a value is not a number."""
    if values.shape != reference.shape or not np.isfinite(values).all():
        return float("inf")
    return float(np.linalg.norm(values - reference) / max(np.linalg.norm(reference), 1e-30))


def compare(reference, engine):
    """[(step, difference)] in the reference's order, of the steps that both have."""
    return [(name, difference(reference[name], engine[name])) for name in reference if name in engine]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference")
    parser.add_argument("engine")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--all", action="store_true", help="print every step")
    arguments = parser.parse_args()
    reference, engine = dict(np.load(arguments.reference)), read_tap(arguments.engine)
    steps = compare(reference, engine)
    missing = [name for name in reference if name not in engine]
    if missing:
        print(f"not in the engine's tap: {', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}")
    if not steps:
        print("no step in common")
        return 2
    if arguments.all:
        for name, value in steps:
            print(f"{name:20} {value:.3e}")
    first = next(((name, value) for name, value in steps if value > arguments.tolerance), None)
    if first is None:
        worst = max(steps, key=lambda step: step[1])
        print(f"all {len(steps)} steps agree; the largest difference is {worst[1]:.3e} at {worst[0]}")
        return 0
    name, value = first
    print(f"first difference: {name}, {value:.3e} relative to the reference")
    if engine[name].shape != reference[name].shape:
        print(f"  shape {engine[name].shape}, reference {reference[name].shape}")
    else:
        token, column = np.unravel_index(
            np.nanargmax(np.abs(engine[name] - reference[name])), reference[name].shape
        )
        print(
            f"  largest at token {token}, column {column}: {engine[name][token, column]:.7g}, "
            f"reference {reference[name][token, column]:.7g}"
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
