#!/usr/bin/env python3
"""Writes tests/golden/beams/hf.txt and draws.txt: the texts and scores that transformers' own generate() finds by beam
search and by beam sampling. Run like golden_samplers.py.

    VENV/bin/python scripts/golden_beams.py [--cases 420] [-o FOLDER]

The model is a table: the logits after a text are a function of its last two tokens, made from integers so that a test
in another language can make the same ones (tests/generation/beam_table.h). A case is left out where logits that differ
by what float32 cannot resolve give other texts, or where transformers, for want of candidates, counts texts that it
rules out itself: their scores are near -1e9.

Beam sampling draws with torch.multinomial, whose numbers nobody else has. It is replaced by successive draws without
putting back from numbers of Philox4x32-10, as src/generation/beam_candidates.h describes them; all else is
transformers'.
"""

import argparse
import functools
import itertools
import pathlib
import random
import warnings

import numpy as np
import torch
import transformers
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

import golden_cases as golden

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "beams"
WORD = 0xFFFFFFFF
CONSUMER = 2  # of random numbers: beams
RULED_OUT = -1e5  # real scores are far above
NOISE = 3e-6  # on logits of up to 16


class Table:
    """The logits after two tokens."""

    def __init__(self, case, noise=0):
        self.case = case
        self.noise = np.random.default_rng(noise) if noise else None
        self.rows = {}

    def after(self, ids):
        """Of a text. Noise is its own, so that two texts of the same rows in another order are not equal any more."""
        row = self.row(ids[-2] if len(ids) > 1 else 0xFFFF, ids[-1])
        return row if self.noise is None else row + self.noise.uniform(-NOISE, NOISE, len(row)).astype(np.float32)

    def row(self, before, last):
        if (before, last) not in self.rows:
            case = self.case
            values = golden.Random(case["seed"] << 32 | before << 16 | last)
            bells = [sum(values.below(1 << 18) for _ in range(4)) for _ in range(case["vocab"])]
            row = (np.array(bells) / 65536 - 8) * case["scale"]
            row[case["end_ids"]] += case["end_bias"]
            self.rows[before, last] = row.astype(np.float32)
        return self.rows[before, last]


class TableConfig(PretrainedConfig):
    model_type = "table"


class TableModel(PreTrainedModel, GenerationMixin):
    config_class = TableConfig

    def __init__(self, table):
        super().__init__(TableConfig(vocab_size=table.case["vocab"]))
        self.table = table
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids=None, attention_mask=None, **_):
        rows = [self.table.after(ids) for ids in input_ids.tolist()]
        return CausalLMOutput(logits=torch.tensor(np.array(rows))[:, None, :])

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        return {"input_ids": input_ids}


def philox(key, counter):
    """Salmon et al. 2011: ten rounds of Philox4x32."""
    key, counter = list(key), list(counter)
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ key[0], second & WORD, first >> 32 ^ counter[3] ^ key[1], first & WORD]
        key = [key[0] + 0x9E3779B9 & WORD, key[1] + 0xBB67AE85 & WORD]
    return counter


class Draws:
    """In place of torch.multinomial: one call a step."""

    def __init__(self, seed):
        self.seed = seed
        self.step = 0

    def number(self, index):
        words = philox((self.seed & WORD, self.seed >> 32), (self.step, index, 0, CONSUMER << 24))
        return ((words[1] << 32 | words[0]) >> 11) / 2**53

    def __call__(self, n_beams, probabilities, num_samples):
        rows = probabilities[0].double().numpy().reshape(n_beams, -1)
        ids = np.concatenate([i * rows.shape[1] + np.argsort(-row, kind="stable") for i, row in enumerate(rows)])
        weights = rows.reshape(-1)[ids]
        drawn = []
        for index in range(num_samples):
            ends = np.cumsum(weights)
            if ends[-1] > 0:
                hit = int(np.searchsorted(ends, self.number(index) * ends[-1], side="right"))
            else:
                hit = next(i for i in range(len(ids)) if ids[i] not in drawn)  # ruled out, all of them
            drawn.append(int(ids[hit]))
            weights[hit] = 0
        self.step += 1
        return torch.tensor([drawn])


def maybe(rng, share, value):
    return value if rng.random() < share else None


def choose(rng, seed):
    vocab = rng.choice([3, 4, 6, 12, 30, 100])
    n_ends = rng.choice([0, 1, 1, 1, 2, 3]) if vocab > 4 else rng.choice([0, 1])
    ids = list(range(vocab))
    others = rng.sample(ids, min(vocab, 5))
    case = {
        "seed": seed,
        "vocab": vocab,
        "scale": rng.choice([0.25, 0.5, 1, 1, 1.5]),
        "end_ids": sorted(rng.sample(ids, n_ends)),
        "end_bias": rng.choice([-2, 0, 1.5, 3, 5]),
        "prompt": [rng.randrange(vocab) for _ in range(rng.choice([1, 2, 5]))],
        "beams": rng.choice([2, 2, 3, 4, 4, 5, 8]),
        "length_penalty": rng.choice([1, 1, 0, 0.5, 2, -0.5, -1, -2]),
        "early_stopping": rng.choice(["false", "true", "never"]),
        "max_length": rng.choice([1, 2, 5, 9, 14]),
    }
    settings = {
        "repetition_penalty": maybe(rng, 0.25, rng.choice([0.7, 1.2, 1.8])),
        "no_repeat_ngram_size": maybe(rng, 0.2, rng.choice([1, 2, 3])),
        "min_new_tokens": maybe(rng, 0.25, rng.choice([1, 3, 6])),
        "bad_words": maybe(rng, 0.2, [others[:1], others[1:3]]),
        "logit_bias": maybe(rng, 0.15, {(others[0],): 1.5, (others[1], others[2]): -2.25}),
        "suppress_tokens": maybe(rng, 0.1, others[2:3]),
        "length_decay": maybe(rng, 0.15, (rng.choice([0, 3]), rng.choice([1.05, 1.3]))),
    }
    if settings["bad_words"] and others[0] in case["end_ids"]:
        del settings["bad_words"][0]  # transformers leaves these out
    case["settings"] = {name: value for name, value in settings.items() if value is not None}
    return case


def choose_draws(rng, seed):
    case = choose(rng, seed)
    case["draw_seed"] = rng.getrandbits(40)
    settings = {
        "temperature": maybe(rng, 0.5, rng.choice([0.5, 0.8, 1.5])),
        "top_k": maybe(rng, 0.5, rng.choice([1, 2, 5, 10])),
        "top_p": maybe(rng, 0.4, rng.choice([0.3, 0.7, 0.95])),
        "min_p": maybe(rng, 0.2, rng.choice([0.05, 0.3, 0.9])),
        "typical_p": maybe(rng, 0.2, rng.choice([0.2, 0.7])),
        "epsilon_cutoff": maybe(rng, 0.15, rng.choice([0.01, 0.3])),
        "eta_cutoff": maybe(rng, 0.15, rng.choice([0.01, 0.3])),
    }
    case["settings"] |= {name: value for name, value in settings.items() if value is not None}
    return case


WARPERS = ["temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"]


def options_of(case):
    given = case["settings"]
    early = {"false": False, "true": True, "never": "never"}[case["early_stopping"]]
    options = {
        "num_beams": case["beams"],
        "num_return_sequences": case["beams"],
        "length_penalty": float(case["length_penalty"]),
        "early_stopping": early,
        "max_new_tokens": case["max_length"],
        "eos_token_id": case["end_ids"] or None,
        "pad_token_id": 0,
        "repetition_penalty": given.get("repetition_penalty"),
        "no_repeat_ngram_size": given.get("no_repeat_ngram_size"),
        "min_new_tokens": given.get("min_new_tokens") if case["end_ids"] else None,
        "bad_words_ids": given.get("bad_words"),
        "suppress_tokens": given.get("suppress_tokens"),
        "exponential_decay_length_penalty": given.get("length_decay") if case["end_ids"] else None,
    }
    if "draw_seed" in case:
        options |= {"do_sample": True, "top_k": 0, "top_p": 1.0}
        options |= {name: given[name] for name in WARPERS if name in given}
    if "logit_bias" in given:
        options["sequence_bias"] = [[list(ids), bias] for ids, bias in given["logit_bias"].items()]
    return {name: value for name, value in options.items() if value is not None}


def texts_of(case, noise=0):
    """[(tokens, score)], best first."""
    model = TableModel(Table(case, noise)).eval()
    prompt = torch.tensor([case["prompt"]])
    if "draw_seed" in case:
        torch.multinomial = functools.partial(Draws(case["draw_seed"]), case["beams"])
    done = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        return_dict_in_generate=True,
        output_scores=True,
        use_cache=False,
        **{"do_sample": False} | options_of(case),
    )
    texts = []
    for sequence, score, beams in zip(done.sequences, done.sequences_scores, done.beam_indices, strict=True):
        length = int((beams >= 0).sum())
        tokens = sequence[len(case["prompt"]) :][:length].tolist()
        texts.append((tuple(tokens), float(score)))
    return texts


def ties(texts):
    """Whether two texts go through the same rows in another order, for instance: their order is rounding's."""
    scores = [score for _, score in texts]
    return any(a - b < 1e-5 * max(1, abs(a)) for a, b in itertools.pairwise(scores))


def result_of(case):
    """None where rounding decides, or texts that are ruled out; or where nothing may follow a beam, which is NaN."""
    try:
        texts = texts_of(case)
    except ValueError:
        return None
    real = [(tokens, score) for tokens, score in texts if score > RULED_OUT]
    if ties(real):
        return None
    if not real or (len(real) < len(texts) and case["early_stopping"] == "true"):
        return None
    for noise in (1, 2, 3, 4):
        others = [tokens for tokens, score in texts_of(case, noise) if score > RULED_OUT]
        if others != [tokens for tokens, _ in real]:
            return None
    return real


def ids_text(ids, sign=","):
    return sign.join(map(str, ids))


def setting_text(name, value):
    if name == "bad_words":
        return f"bad_words={ids_text(ids_text(word, '+') for word in value)}"
    if name == "logit_bias":
        return "logit_bias=" + ids_text(f"{ids_text(ids, '+')}={bias}" for ids, bias in value.items())
    if name == "suppress_tokens":
        return f"suppress_tokens={ids_text(value)}"
    if name == "length_decay":
        return f"length_decay_start={value[0]} length_decay_factor={value[1]}"
    return f"{name}={value}"


def line_of(case, texts):
    head = [
        f"{name}={ids_text(value) if isinstance(value, list) else value}"
        for name, value in case.items()
        if name != "settings" and value != []
    ]
    head += [setting_text(name, value) for name, value in case["settings"].items()]
    return " ".join(head) + " | " + " ".join(f"{ids_text(tokens)}:{score:.9g}" for tokens, score in texts)


def write(path, choose_case, count):
    rng = random.Random(20261127)
    lines = []
    for seed in range(count):
        case = choose_case(rng, seed)
        texts = result_of(case)
        if texts is not None:
            lines.append(line_of(case, texts))
    head = f"# transformers {transformers.__version__}, {len(lines)} of {count} cases (scripts/golden_beams.py)"
    path.write_text("\n".join([head, *lines]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=420)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=FOLDER)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")  # of lengths that cannot be: they are part of the cases
    arguments.output.mkdir(parents=True, exist_ok=True)
    write(arguments.output / "hf.txt", choose, arguments.cases)
    write(arguments.output / "draws.txt", choose_draws, arguments.cases)


if __name__ == "__main__":
    main()
