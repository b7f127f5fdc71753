#!/usr/bin/env python3
"""Writes tests/golden/samplers/guidance.{txt,bin}: what transformers' classifier-free guidance makes of two rows of
logits. Run like golden_samplers.py.

    VENV/bin/python scripts/golden_guidance.py [--cases 300] [-o FOLDER]

Its processor runs the model on the unconditional text itself; the model here answers with a row, and checks that the text
is what our documentation says: the negative prompt or the last token of the prompt, then the new tokens. Of each case
16 scores are kept, float32, spread evenly over the vocabulary.
"""

import argparse
import pathlib
import random

import numpy as np
import torch
import transformers
from transformers.generation.logits_process import UnbatchedClassifierFreeGuidanceLogitsProcessor

import golden_cases as golden

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samplers"
SCALES = [0.25, 0.5, 1.5, 2, 3, 7.5, 10, 20]
KEPT = 16
MIN_TOKENS = 20


class Answers(dict):
    """What a model gives: attributes and items."""

    __getattr__ = dict.__getitem__


class Model:
    """Answers with the next row, and remembers what it was asked."""

    def __init__(self, rows):
        self.rows = iter(rows)
        self.tokens = []

    def __call__(self, input_ids, attention_mask, use_cache, past_key_values):
        assert attention_mask.shape[1] == len(self.tokens) + input_ids.shape[1]
        self.tokens += input_ids[0].tolist()
        return Answers(logits=torch.tensor(next(self.rows)).reshape(1, 1, -1), past_key_values="all before")


def unconditional_row(seed, n):
    numbers = golden.Random(seed)
    kind = 3 * numbers.below(2)
    return np.array([golden.Case.logit(numbers, kind) for _ in range(n)], dtype=np.float32).astype(np.float64)


def scores_of(number, scale, negative):
    """Of the second new token, so that a new token is part of the unconditional text."""
    case = golden.Case(2 * number, MIN_TOKENS)
    n = len(case.logits)
    row = unconditional_row(2 * number + 1, n)
    model = Model([row, row])
    ids = None if negative is None else torch.tensor([negative])
    processor = UnbatchedClassifierFreeGuidanceLogitsProcessor(scale, model, unconditional_ids=ids)
    logits = torch.tensor(case.logits.astype(np.float64)).reshape(1, -1)
    processor(torch.tensor([[3, 4, 5]]), logits)
    scores = processor(torch.tensor([[3, 4, 5, 6]]), logits)[0].numpy()
    assert model.tokens == [*(negative or [5]), 6]
    return scores[[k * n // KEPT for k in range(KEPT)]].astype("<f4").tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args()
    rng = random.Random(11)
    lines, results = [], []
    for number in range(options.cases):
        scale = rng.choice(SCALES)
        lines.append(f"guidance_scale={scale}")
        results.append(scores_of(number, scale, rng.choice([None, [1], [7, 8, 9]])))
    golden.write(options.output, "guidance", f"transformers {transformers.__version__}, torch {torch.__version__}", lines, results, 1)
    print(f"{len(results)} cases")


if __name__ == "__main__":
    main()
