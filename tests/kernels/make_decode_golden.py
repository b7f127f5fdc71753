#!/usr/bin/env python3
"""Writes decode.golden: hashes of what PyPI `gguf` (numpy) makes of pseudo-random blocks of every tensor type.

Each type gets 65,536 blocks (of one value, for float types) whose bytes come from splitmix64; the float16 scale
of block i is i, so every half is met. decode_test.cpp builds the same bytes. Run: pip install gguf numpy;
python3 make_decode_golden.py > decode.golden
"""
import numpy as np
from gguf import GGMLQuantizationType as Type, GGML_QUANT_SIZES
from gguf.quants import dequantize

BLOCKS = 65536
# name -> offset of the float16 scale in a block
TYPES = {"F32": None, "F16": 0, "BF16": 0, "Q4_0": 0, "Q4_1": 0, "Q5_0": 0, "Q5_1": 0, "Q8_0": 0, "Q2_K": 80,
         "Q3_K": 108, "Q4_K": 0, "Q5_K": 0, "Q6_K": 208, "IQ4_NL": 0}


def splitmix(x):
    x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def blocks(name):
    size = GGML_QUANT_SIZES[Type[name]][1]
    words = splitmix(np.arange((BLOCKS * size + 7) // 8, dtype=np.uint64) + (np.uint64(Type[name]) << np.uint64(32)))
    data = words.astype("<u8").view(np.uint8)[: BLOCKS * size].reshape(BLOCKS, size).copy()
    if TYPES[name] is not None:
        data[:, TYPES[name] : TYPES[name] + 2] = np.arange(BLOCKS, dtype="<u2").view(np.uint8).reshape(BLOCKS, 2)
    return data


def digest(values):
    bits = np.where(np.isnan(values), np.uint32(0x7FC00000), values.view(np.uint32)).astype(np.uint64)
    position = np.arange(bits.size, dtype=np.uint64) << np.uint64(32)
    return int(splitmix(bits | position).sum(dtype=np.uint64))


with np.errstate(all="ignore"):
    for name in TYPES:
        values = np.concatenate([dequantize(part, Type[name]).astype(np.float32).reshape(-1)
                                 for part in np.array_split(blocks(name), 64)])
        print(f"{name} {digest(values):016x}")
