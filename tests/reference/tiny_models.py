"""Tiny GGUF files with random weights: every supported architecture in every supported tensor type.

Small enough that a test runs hundreds of them, shaped so that nothing lines up by luck: odd vocabulary, grouped
heads, windows shorter than the prompt. The same name gives the same bytes.

    python tests/reference/tiny_models.py FOLDER [--variant NAME]... [--type NAME]...
"""

import argparse
import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from tiny_vocabulary import add_byte_level_bpe, add_sentencepiece

TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL".split()

# Types that the package gguf cannot write get random blocks: offsets of the float16 scale and minimum in a
# block, and the ratio of minimum to scale that centres the values.
RANDOM_BLOCKS = {
    "Q2_K": (80, 82, 1.5),
    "Q3_K": (108, None, 0.0),
    "Q4_K": (0, 2, 7.5),
    "Q5_K": (0, 2, 15.5),
    "Q6_K": (208, None, 0.0),
    "IQ4_NL": (0, None, 0.0),
}


@dataclass(frozen=True)
class Variant:
    """A shape of model. Widths are those for types with blocks of 32; blocks of 256 get multiples of 256."""

    architecture: str
    width: int = 64
    head_dim: int = 16
    heads: int = 6
    kv_heads: int = 2
    ffn: int = 96
    layers: int = 2
    context: int = 128
    tied: bool = False
    rope_factors: bool = False
    attention_bias: bool = False
    metadata: dict = field(default_factory=dict)

    def shaped_for(self, block):
        """The same variant with every matrix width a multiple of `block`."""

        def up(value):
            return math.ceil(value / block) * block

        heads = up(self.heads * self.head_dim) // self.head_dim
        changed = dict(width=up(self.width), ffn=up(self.ffn), heads=heads)
        return Variant(
            **{**self.__dict__, **changed, "kv_heads": heads if self.kv_heads == self.heads else 2}
        )


VARIANTS = {
    "llama": Variant("llama"),
    "llama-linear": Variant(
        "llama", tied=True, metadata={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
    ),
    "llama-3.1": Variant("llama", tied=True, rope_factors=True, metadata={"rope.freq_base": 500000.0}),
    "mistral": Variant("llama", head_dim=32, heads=4, metadata={"attention.sliding_window": 70}),
    "qwen2": Variant(
        "qwen2", heads=4, tied=True, attention_bias=True, metadata={"rope.freq_base": 1000000.0}
    ),
    "qwen3": Variant("qwen3", head_dim=128, heads=4, metadata={"rope.freq_base": 1000000.0}),
    "gemma3": Variant(
        "gemma3",
        layers=7,
        kv_heads=1,
        heads=4,
        head_dim=32,
        tied=True,
        metadata={"attention.sliding_window": 6, "rope.freq_base": 1000000.0},
    ),
    "gpt2": Variant("gpt2", heads=4, kv_heads=4, tied=True),
}


def random_blocks(rng, kind, rows, columns, deviation):
    """Random valid blocks of a type, scaled to a standard deviation; bytes [rows, row bytes]."""
    kind_id = GGMLQuantizationType[kind]
    values, size = gguf.GGML_QUANT_SIZES[kind_id]
    at_scale, at_minimum, ratio = RANDOM_BLOCKS[kind]
    blocks = rng.integers(0, 256, (rows * columns // values, size), dtype=np.uint8)
    factors = rng.uniform(0.5, 1.5, len(blocks))
    if at_minimum is None:  # real files have negative scales in the symmetric types
        factors *= rng.choice([-1.0, 1.0], len(blocks))

    def with_unit(unit):
        scales = (unit * factors).astype(np.float16)
        blocks[:, at_scale : at_scale + 2] = scales.view(np.uint8).reshape(-1, 2)
        if at_minimum is not None:
            minimums = (ratio * unit * factors).astype(np.float16)
            blocks[:, at_minimum : at_minimum + 2] = minimums.view(np.uint8).reshape(-1, 2)
        return blocks.reshape(rows, -1)

    return with_unit(deviation / np.std(dequantize(with_unit(1.0), kind_id)))


class Writer:
    """Adds tensors of one type to a file, each with its own random values."""

    def __init__(self, gguf_writer, kind, rng):
        self.gguf, self.kind, self.rng = gguf_writer, kind, rng

    def matrix(self, name, rows, columns, gain=1.0):
        """A matrix whose product with unit activations has standard deviation `gain`."""
        deviation = gain / math.sqrt(columns)
        kind = GGMLQuantizationType[self.kind]
        if self.kind in RANDOM_BLOCKS:
            data = random_blocks(self.rng, self.kind, rows, columns, deviation)
        else:
            data = self.rng.normal(0, deviation, (rows, columns)).astype(np.float32)
            data = quantize(data, kind)
        self.gguf.add_tensor(name, data, raw_dtype=kind)

    def vector(self, name, size, mean=0.0, deviation=0.1):
        self.gguf.add_tensor(name, self.rng.normal(mean, deviation, size).astype(np.float32))


def add_metadata(out, variant):
    out.add_context_length(variant.context)
    out.add_embedding_length(variant.width)
    out.add_block_count(variant.layers)
    out.add_feed_forward_length(variant.ffn)
    out.add_head_count(variant.heads)
    out.add_head_count_kv(variant.kv_heads)
    if variant.architecture == "gpt2":
        out.add_layer_norm_eps(1e-5)
    else:
        out.add_layer_norm_rms_eps(1e-6)
        out.add_key_length(variant.head_dim)
        out.add_value_length(variant.head_dim)
        out.add_rope_dimension_count(variant.head_dim)
    for key, value in variant.metadata.items():
        add = {int: out.add_uint32, float: out.add_float32, str: out.add_string}[type(value)]
        add(f"{variant.architecture}.{key}", value)


def add_norm(writer, variant, name, size=None):
    writer.vector(f"{name}.weight", size or variant.width, mean=1.0)
    if variant.architecture == "gpt2":
        writer.vector(f"{name}.bias", variant.width)


def add_attention(writer, variant, prefix):
    n_q, n_kv = variant.heads * variant.head_dim, variant.kv_heads * variant.head_dim
    add_norm(writer, variant, f"{prefix}.attn_norm")
    if variant.architecture == "gpt2":
        writer.matrix(f"{prefix}.attn_qkv.weight", n_q + 2 * n_kv, variant.width)
        writer.vector(f"{prefix}.attn_qkv.bias", n_q + 2 * n_kv)
    else:
        for part, rows in (("q", n_q), ("k", n_kv), ("v", n_kv)):
            writer.matrix(f"{prefix}.attn_{part}.weight", rows, variant.width)
            if variant.attention_bias:
                writer.vector(f"{prefix}.attn_{part}.bias", rows, deviation=0.5)
    if variant.architecture in ("qwen3", "gemma3"):
        add_norm(writer, variant, f"{prefix}.attn_q_norm", variant.head_dim)
        add_norm(writer, variant, f"{prefix}.attn_k_norm", variant.head_dim)
    writer.matrix(f"{prefix}.attn_output.weight", variant.width, n_q)
    if variant.architecture == "gpt2":
        writer.vector(f"{prefix}.attn_output.bias", variant.width)
    if variant.architecture == "gemma3":
        add_norm(writer, variant, f"{prefix}.post_attention_norm")


def add_feed_forward(writer, variant, prefix):
    add_norm(writer, variant, f"{prefix}.ffn_norm")
    if variant.architecture != "gpt2":
        writer.matrix(f"{prefix}.ffn_gate.weight", variant.ffn, variant.width)
    writer.matrix(f"{prefix}.ffn_up.weight", variant.ffn, variant.width)
    writer.matrix(f"{prefix}.ffn_down.weight", variant.width, variant.ffn, gain=2.0)
    if variant.architecture == "gpt2":
        writer.vector(f"{prefix}.ffn_up.bias", variant.ffn)
        writer.vector(f"{prefix}.ffn_down.bias", variant.width)
    if variant.architecture == "gemma3":
        add_norm(writer, variant, f"{prefix}.post_ffw_norm")


def add_tensors(writer, variant, n_vocab):
    embedding_gain = 1.0 if variant.architecture == "gemma3" else 3.0
    writer.matrix("token_embd.weight", n_vocab, variant.width, embedding_gain)
    if variant.architecture == "gpt2":
        writer.matrix("position_embd.weight", variant.context, variant.width)
    if variant.rope_factors:
        factors = np.geomspace(1.0, 32.0, variant.head_dim // 2)
        writer.gguf.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    for layer in range(variant.layers):
        add_attention(writer, variant, f"blk.{layer}")
        add_feed_forward(writer, variant, f"blk.{layer}")
    add_norm(writer, variant, "output_norm")
    if not variant.tied:
        writer.matrix("output.weight", n_vocab, variant.width, 3.0)


def write(path, variant_name, kind):
    """Writes one file, replacing it."""
    variant = VARIANTS[variant_name].shaped_for(gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]][0])
    rng = np.random.default_rng(zlib.crc32(f"{variant_name}/{kind}".encode()))
    out = gguf.GGUFWriter(path, variant.architecture)
    out.add_name(f"tiny {variant_name} {kind}")
    add_metadata(out, variant)
    add_vocabulary = add_sentencepiece if variant.architecture == "gemma3" else add_byte_level_bpe
    n_vocab = add_vocabulary(out, variant.architecture)
    out.add_vocab_size(n_vocab)
    add_tensors(Writer(out, kind, rng), variant, n_vocab)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all")
    parser.add_argument("--type", action="append", choices=TYPES, help="default: all")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for variant in arguments.variant or VARIANTS:
        for kind in arguments.type or TYPES:
            write(arguments.folder / f"{variant}.{kind}.gguf", variant, kind)


if __name__ == "__main__":
    main()
