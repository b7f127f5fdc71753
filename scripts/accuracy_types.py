"""The distance from float64 for every type of weights, pellucid's beside llama.cpp's.

    build/peers/bin/python scripts/accuracy_types.py [--type TYPE]... [--model FILE] [--positions 256] [--write]

One model (the default model where none is given) is quantised again to each type (bench/requantise.py), and both
engines read the same file in their default precision. Each is compared with the float64 forward pass of
tests/reference on that file: mean Kullback-Leibler divergence and share of the same most likely token. Prints a
Markdown table, with --write into docs/accuracy.md; exits 1 where pellucid's divergence exceeds llama.cpp's by
more than twice the standard error of the mean difference, position by position, and by more than 1e-7: errors of
float16 keys are shared by all later positions, so which engine's happen to be smaller changes with the text.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import accuracy
import comparison
import peer_llama

sys.path.insert(0, str(comparison.ROOT / "bench"))

import requantise  # noqa: E402

PAGE = comparison.ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- types: begin -->\n", "<!-- types: end -->\n"
HEAD = (
    "| type | matrices | pellucid: KL | llama.cpp: KL | difference | ratio | pellucid: top-1 | llama.cpp: top-1 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)
TOLERANCE = 2.0  # standard errors of the difference
NEGLIGIBLE = 1e-7


def measure(source, kind, arguments):
    """Of one type: how many matrices have it; accuracy.distances of pellucid and of llama.cpp."""
    with tempfile.TemporaryDirectory(dir=accuracy.FOLDER) as folder:
        file = Path(folder) / f"{kind}.gguf"
        matrices = requantise.write(source, kind, file)
        subject = accuracy.Subject(file, arguments.binary, arguments.threads)
        tokens = next(subject.windows(1))[: arguments.positions]
        reference = subject.reference(tokens)
        peer = peer_llama.Llama(file, arguments.positions, arguments.threads)
        theirs = accuracy.distances(reference, peer.logits(tokens))
        peer.close()
        return matrices, accuracy.distances(reference, subject.pellucid_logits(tokens)), theirs


def judge(kind, matrices, ours, theirs):
    """The row of the table, and whether pellucid is worse than llama.cpp beyond chance."""
    divergence, agreement = 0, 1  # columns of accuracy.distances
    differences = ours[:, divergence] - theirs[:, divergence]
    error = differences.std() / np.sqrt(len(differences))
    a, b = ours[:, divergence].mean(), theirs[:, divergence].mean()
    row = (
        f"| {kind} | {matrices} | {a:.2g} | {b:.2g} | {a - b:+.2g} ± {error:.1g} | {a / b:.2f} "
        f"| {ours[:, agreement].mean():.1%} | {theirs[:, agreement].mean():.1%} |\n"
    )
    return row, a - b > max(TOLERANCE * error, NEGLIGIBLE)


def write_page(table):
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1])


def main():
    parser = comparison.parser(__doc__)
    parser.add_argument("--type", action="append", choices=requantise.FILE_TYPES, help="default: all")
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into docs/accuracy.md")
    arguments = parser.parse_args()
    source = (arguments.model or comparison.models_in_cache())[0]
    accuracy.FOLDER.mkdir(parents=True, exist_ok=True)
    table, worse = HEAD, []
    print(f"{source.name}, {arguments.positions} positions\n\n{HEAD}", end="", flush=True)
    for kind in arguments.type or requantise.FILE_TYPES:
        row, is_worse = judge(kind, *measure(source, kind, arguments))
        print(row, end="", flush=True)
        table += row
        if is_worse:
            worse.append(kind)
    if arguments.write:
        write_page(table)
    print(f"\nworse than llama.cpp: {', '.join(worse) or 'none'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
