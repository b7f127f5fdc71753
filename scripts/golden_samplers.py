#!/usr/bin/env python3
"""Writes tests/golden/samplers/hf.{txt,bin}: what transformers' own logits processors keep, and how likely.

    python3 -m venv VENV
    VENV/bin/pip install --no-deps -r scripts/requirements-goldens.txt
    VENV/bin/pip install torch==2.15.0
    VENV/bin/python scripts/golden_samplers.py [--settings 250] [--cases 72] [-o FOLDER]

The probabilities are those of the processors on float64 logits. A case is left out where the set is another one on
float32 logits, or on float64 ones with the setting moved by what float32 cannot resolve, or with the tokens in
another order, or where equal logits part: the answer is rounding's or sorting's then, not the sampler's.
"""

import argparse
import pathlib
import random

import numpy as np
import torch
import transformers
from transformers.generation import logits_process as hf

import golden_cases as golden

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samplers"

# Setting -> (values to choose from, processor made from value and case). In transformers' order.
NEAR = {"top_p": 2e-6, "typical_p": 2e-6}  # how far to move it; else by this part of itself
RELATIVE = 1e-5

PROCESSORS = {
    "logit_bias": (
        ["0=1.5", "1=-2.25,0=-inf", "0+1=3,1=0.5,2+0+1=-4", "1+1=-inf,0=2,0=0.5"],
        lambda v, case: hf.SequenceBiasLogitsProcessor([[list(ids), bias] for ids, bias in biases(v)]),
    ),
    "repetition_penalty": (
        [1.1, 1.3, 0.8, 2.0],
        lambda v, case: hf.RepetitionPenaltyLogitsProcessor(v),
    ),
    "no_repeat_ngram_size": ([1, 2, 3, 5], lambda v, case: hf.NoRepeatNGramLogitsProcessor(v)),
    "bad_words": (
        ["0", "0+1,1+1", "2,0+0+1"],
        lambda v, case: hf.NoBadWordsLogitsProcessor([[int(i) for i in s.split("+")] for s in v.split(",")], None),
    ),
    "min_new_tokens": (
        [1, 5, 20],
        lambda v, case: hf.MinNewTokensLengthLogitsProcessor(case.prompt_length, v, case.end_id, device="cpu"),
    ),
    "length_decay": (
        [(0, 1.1), (5, 1.02), (3, 1.5)],
        lambda v, case: hf.ExponentialDecayLengthPenalty(v, case.end_id, case.prompt_length),
    ),
    "suppress_tokens": (["0", "1,0"], lambda v, case: hf.SuppressTokensLogitsProcessor(ids_of(v), device="cpu")),
    "begin_suppress_tokens": (
        ["0", "1,0"],
        lambda v, case: hf.SuppressTokensAtBeginLogitsProcessor(ids_of(v), case.prompt_length, device="cpu"),
    ),
    "temperature": ([0.3, 0.7, 1.3, 2.0, 5.0], lambda v, case: hf.TemperatureLogitsWarper(v)),
    "top_h": ([0.1, 0.3, 0.5, 0.8, 0.95], lambda v, case: hf.TopHLogitsWarper(v)),
    "top_k": ([1, 2, 5, 20, 50, 150], lambda v, case: hf.TopKLogitsWarper(v)),
    "top_p": ([0.05, 0.3, 0.5, 0.8, 0.9, 0.95, 0.999], lambda v, case: hf.TopPLogitsWarper(v)),
    "min_p": ([0.01, 0.05, 0.1, 0.3, 0.8], lambda v, case: hf.MinPLogitsWarper(v)),
    "typical_p": ([0.1, 0.3, 0.5, 0.8, 0.95], lambda v, case: hf.TypicalLogitsWarper(v)),
    "epsilon_cutoff": ([1e-4, 1e-3, 0.01, 0.1, 0.3], lambda v, case: hf.EpsilonLogitsWarper(v)),
    "eta_cutoff": ([1e-4, 1e-3, 0.01, 0.1, 0.3], lambda v, case: hf.EtaLogitsWarper(v)),
}
CUTS = {"top_h", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"}  # with a bound that may be near
SORTED = {"top_p", "top_h"}
ORDER = (
    "logit_bias,repetition_penalty,no_repeat_ngram,bad_words,min_new_tokens,length_decay,suppress_tokens,"
    "begin_suppress_tokens,temperature,top_h,top_k,top_p,min_p,typical_p,epsilon_cutoff,eta_cutoff"
)


def ids_of(text):
    return [int(part) for part in text.split(",")]


def biases(text):
    sums = {}
    for part in text.split(","):
        ids, bias = part.split("=")
        key = tuple(int(i) for i in ids.split("+"))
        sums[key] = sums.get(key, 0.0) + float(bias)
    return sums.items()


def run(case, chosen, dtype, moved=None, by=0.0, reverse=False):
    """Logits after the processors; -inf is a removed token. None where a sort's order of equal logits decides,
    or where top_h meets an entropy that is rounding, or 0 * ln 0, which is NaN to it.
    """
    tokens = torch.tensor([case.tokens], dtype=torch.long)
    scores = torch.tensor(np.array([case.logits]), dtype=dtype)
    for name, value in chosen.items():
        if name == moved:
            value = min(max(value + by, 1e-9), 1 - 1e-12)
        flip = reverse and name in CUTS | {"top_k"}
        if flip:
            scores = scores.flip(-1)
        finite = scores[~torch.isneginf(scores)]
        if len(finite) == 0 or (name == "top_h" and without_entropy(finite)):
            return None
        before = scores
        scores = PROCESSORS[name][1](value, case)(tokens, scores)
        if name in SORTED and cuts_ties(before, scores):
            return None
        if flip:
            scores = scores.flip(-1)
    return scores[0].double().numpy()


def without_entropy(scores):
    return bool(scores.max() - scores.min() > 80) or bool(torch.softmax(scores.double(), -1).max() > 1 - 1e-6)


def cuts_ties(before, after):
    """Whether of equal logits some stayed and some left."""
    left = before[torch.isneginf(after) & ~torch.isneginf(before)]
    return bool(torch.isin(after[~torch.isneginf(after)], left).any())


def kept(logits):
    if logits is None:
        return np.array([])
    return np.flatnonzero(logits > -np.inf)


def result_of(case, chosen):
    logits = run(case, chosen, torch.float64)
    ids = kept(logits)
    if len(ids) == 0 or np.isnan(logits).any():
        return golden.undecided_record()
    others = [run(case, chosen, torch.float32), run(case, chosen, torch.float64, reverse=True)]
    for name in CUTS & set(chosen):
        by = NEAR.get(name, chosen[name] * RELATIVE)
        others += [run(case, chosen, torch.float64, name, by), run(case, chosen, torch.float64, name, -by)]
    if not all(np.array_equal(kept(other), ids) for other in others):
        return golden.undecided_record()
    probabilities = np.zeros(len(logits))
    probabilities[ids] = golden.softmax(logits[ids])
    return golden.record(ids, probabilities)


def line_of(chosen):
    parts = [f"order={ORDER}", "top_k_ties=keep"]
    for name, value in chosen.items():
        if name == "length_decay":
            parts += [f"length_decay_start={value[0]}", f"length_decay_factor={value[1]}"]
        else:
            parts.append(f"{name}={value}")
    return " ".join(parts)


def choose(index, rng):
    """One stage by itself, each in turn; then mixtures."""
    names = list(PROCESSORS)
    if index < 3 * len(names):
        picked = {names[index % len(names)]}
    else:
        picked = {name for name in names if rng.random() < 0.25} or {"temperature"}
    return {name: rng.choice(PROCESSORS[name][0]) for name in names if name in picked}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=250)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)  # NaN where all tokens are ruled out
    rng = random.Random(5)
    lines, results = [], []
    for index in range(options.settings):
        chosen = choose(index, rng)
        lines.append(line_of(chosen))
        for number in range(options.cases):
            results.append(result_of(golden.Case(index * options.cases + number, min_tokens=3), chosen))
    by = f"transformers {transformers.__version__}, torch {torch.__version__}"
    golden.write(options.output, "hf", by, lines, results, options.cases)
    left_out = sum(result == golden.undecided_record() for result in results)
    print(f"{len(results)} cases, {left_out} of them left to rounding")


if __name__ == "__main__":
    main()
