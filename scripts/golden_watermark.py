#!/usr/bin/env python3
"""Writes tests/golden/samplers/watermark.{txt,bin} and watermark_scores.txt: what transformers' watermark makes of
logits, and what its detector counts. Run like golden_samplers.py.

    VENV/bin/python scripts/golden_watermark.py [--settings 60] [--cases 20] [-o FOLDER]

The green lists are made with torch's generator on the CPU. A case is left out where equal logits decide which tokens
selfhash looks at.
"""

import argparse
import pathlib
import random
import types

import numpy as np
import torch
import transformers
from transformers.generation import WatermarkDetector
from transformers.generation.logits_process import WatermarkLogitsProcessor

import golden_cases as golden

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samplers"
LOOKS_AT = 40  # candidates of selfhash


def choose(rng):
    return {
        "greenlist_ratio": rng.choice([0.1, 0.25, 0.5, 0.9]),
        "bias": rng.choice([0.5, 2.0, 10.0, -3.0]),
        "hashing_key": rng.choice([15485863, 1, 2147483647, 982451653, rng.randrange(1, 1 << 31)]),
        "seeding_scheme": rng.choice(["lefthash", "selfhash"]),
        "context_width": rng.choice([1, 1, 2, 4, 10]),
    }


def line_of(chosen):
    return (
        f"watermark_bias={chosen['bias']} watermark_ratio={chosen['greenlist_ratio']} "
        f"watermark_key={chosen['hashing_key']} watermark_scheme={chosen['seeding_scheme']} "
        f"watermark_context={chosen['context_width']}"
    )


def result_of(case, processor):
    processor.vocab_size = len(case.logits)
    processor.greenlist_size = int(processor.vocab_size * processor.ratio)
    ordered = np.sort(case.logits)[::-1]
    cut = len(ordered) > LOOKS_AT and ordered[LOOKS_AT] == ordered[LOOKS_AT - 1]
    if processor.seeding_scheme == "selfhash" and cut:
        return golden.undecided_record()
    scores = torch.tensor(np.array([case.logits]), dtype=torch.float64)
    logits = processor(torch.tensor([case.tokens], dtype=torch.long), scores)[0].numpy()
    ids = np.flatnonzero(logits > -np.inf)
    probabilities = np.zeros(len(logits))
    probabilities[ids] = golden.softmax(logits[ids])
    return golden.record(ids, probabilities)


def score_line(seed, chosen):
    """Of a text of random tokens, which often repeat."""
    numbers = golden.Random(seed)
    vocabulary = 50 + numbers.below(2000)
    alphabet = vocabulary if numbers.below(2) == 0 else 5 + numbers.below(20)
    tokens = [numbers.below(alphabet) for _ in range(20 + numbers.below(200))]
    ignore = numbers.below(2) == 1
    config = types.SimpleNamespace(bos_token_id=-1, is_encoder_decoder=False, vocab_size=vocabulary)
    detector = WatermarkDetector(config, "cpu", chosen, ignore_repeated_ngrams=ignore)
    found = detector(torch.tensor([tokens]), return_dict=True)
    numbers = [int(found.num_tokens_scored[0]), int(found.num_green_tokens[0]), found.z_score[0], found.p_value[0]]
    return f"{line_of(chosen)} | " + " ".join(f"{number:.17g}" for number in numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=60)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(7)
    lines, results, scores = [], [], []
    for index in range(options.settings):
        chosen = choose(rng)
        lines.append(line_of(chosen))
        processor = WatermarkLogitsProcessor(vocab_size=1, device="cpu", **chosen)
        processor.ratio = chosen["greenlist_ratio"]
        for number in range(options.cases):
            results.append(result_of(golden.Case(index * options.cases + number, min_tokens=LOOKS_AT), processor))
        scores.append(score_line(index, choose(rng)))
    by = f"transformers {transformers.__version__}, torch {torch.__version__}"
    golden.write(options.output, "watermark", by, lines, results, options.cases)
    head = f"# {by}; settings | tokens scored, green, z, p\n"
    (options.output / "watermark_scores.txt").write_text(head + "\n".join(scores) + "\n")
    left_out = sum(result == golden.undecided_record() for result in results)
    print(f"{len(results)} cases, {left_out} of them left out; {len(scores)} scores")


if __name__ == "__main__":
    main()
