"""Decoding with and without drafts from the text itself (prompt lookup): a text that copies, and one that is made up.

    python3 bench/speculation.py [--alternations 7]

Runs `pellucid generate` with --speculate and --no-speculate in turns, with the likeliest tokens and with drawn ones,
and checks that both write the same. Rates are tokens a second after the first token: medians with the smallest and
the largest, and the median of the pairs' ratios.
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import comparison  # noqa: E402

FIRST = """\
Ada Lovelace, London, 1815, mathematics
Emmy Noether, Erlangen, 1882, algebra
Alan Turing, London, 1912, computation
Grace Hopper, New York, 1906, compilers"""
SECOND = """\
Sofia Kovalevskaya, Moscow, 1850, analysis
Kurt Goedel, Brno, 1906, logic
Hedy Lamarr, Vienna, 1914, radio
Claude Shannon, Petoskey, 1916, information
Barbara Liskov, Los Angeles, 1939, languages
Donald Knuth, Milwaukee, 1938, algorithms"""
TEXTS = {
    "copies": f"Original:\n{FIRST}\n\nCopy:\n{FIRST}\n\nOriginal:\n{SECOND}\n\nCopy:\n",
    "made up": "Once upon a time, there was a",
}
CHOICES = {"likeliest": ["--temperature", "0"], "drawn": ["--temperature", "0.8", "--seed", "1"]}


def generated(binary, model, text, options):
    """(tokens, tokens a second after the first)."""
    command = [binary, "generate", text, "-m", model, "-n", "128", *options, "--format", "json"]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    report = json.loads(ended.stdout)
    return report["tokens"], report["timings"]["decode_tokens_per_s"]


def compare(binary, model, text, options, alternations):
    """The rates without and with drafts."""
    rates = {"--no-speculate": [], "--speculate": []}
    tokens = set()
    for alternation in range(alternations):
        for flag in sorted(rates, reverse=alternation % 2 == 1):
            written, rate = generated(binary, model, text, [*options, flag])
            tokens.add(tuple(written))
            rates[flag].append(rate)
    if len(tokens) != 1:
        raise SystemExit("drafts have changed a token")
    return list(rates.values())


def spread(values):
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def main():
    parser = comparison.parser(__doc__)
    parser.add_argument("--alternations", type=int, default=7)
    arguments = parser.parse_args()
    print("| model | text | tokens | without drafts | with | ratio |\n| --- | --- | --- | ---: | ---: | ---: |")
    for model in arguments.model or comparison.models_in_cache():
        for text, prompt in TEXTS.items():
            for choice, options in CHOICES.items():
                without, drafts = compare(arguments.binary, model, prompt, options, arguments.alternations)
                ratio = median(b / a for a, b in zip(without, drafts, strict=True))
                print(f"| {model.stem} | {text} | {choice} | {spread(without)} | {spread(drafts)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
