"""Random steps for the golden files of the samplers, made from integers alone so that a test in another language can
make the same ones (tests/sampling/golden_case.h), and the form in which results are kept.
"""

import struct

import numpy as np

MASK = (1 << 64) - 1
UNDECIDED = 0  # in place of a hash: rounding decides the set, or its order does


class Random:
    """SplitMix64 (Steele, Lea and Flood 2014)."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, end):
        return self.next() % end


class Case:
    """Logits (float32), the tokens so far, how many of them are the prompt, and the token that ends a text."""

    def __init__(self, seed, min_tokens=1):
        random = Random(seed)
        n = min_tokens + random.below(4 if random.below(16) == 0 else 200)
        kind = random.below(6)
        logits = [self.logit(random, kind) for _ in range(n)]
        best = 12.0 + random.below(1024) / 256
        logits[random.below(n)] = best
        self.logits = np.array(logits, dtype=np.float32)
        alphabet = min(n, 1 + random.below(8) if random.below(2) == 0 else n)
        self.tokens = [random.below(alphabet) for _ in range(random.below(60))]
        self.prompt_length = random.below(len(self.tokens) + 1)
        self.end_id = random.below(n)

    @staticmethod
    def logit(random, kind):
        if kind == 0:
            return random.below(1 << 20) / 32768 - 16
        if kind == 1:
            return random.below(32) / 4  # ties
        if kind == 2 and random.below(4) == 0:
            return -np.inf
        bell = sum(random.below(1 << 18) for _ in range(4))
        return bell / (65536 if kind < 5 else 262144) - (8 if kind < 5 else 2)


def projections(probabilities):
    """Two sums of p times a fixed number in [-1, 1) of its id: enough to see any probability that is off."""
    random = Random(20261124)
    first = second = 0.0
    for p in probabilities:
        first += float(p) * (random.below(1 << 20) / 524288 - 1)
        second += float(p) * (random.below(1 << 20) / 524288 - 1)
    return first, second


def set_hash(ids):
    """FNV-1a of the ids in ascending order; never UNDECIDED."""
    value = 0x811C9DC5
    for number in sorted(ids):
        for byte in struct.pack("<I", number):
            value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value or 1


def record(ids, probabilities):
    """12 bytes: the hash of the kept set, and the projections of the probabilities (indexed by id)."""
    return struct.pack("<Iff", set_hash(ids), *projections(probabilities))


def undecided_record():
    return struct.pack("<Iff", UNDECIDED, 0, 0)


def softmax(logits):
    weights = np.exp(np.asarray(logits, np.float64) - np.max(logits))
    return weights / weights.sum()


def write(path, name, made_by, lines, results, per_line):
    """NAME.txt, a line of settings for every `per_line` cases, and NAME.bin, their results."""
    path.mkdir(parents=True, exist_ok=True)
    (path / f"{name}.txt").write_text(f"# {made_by}; {per_line} cases each\n" + "\n".join(lines) + "\n")
    (path / f"{name}.bin").write_bytes(b"".join(results))
