"""Llama models of real shapes with random weights, as GGUF files: for speed the values do not matter.

    build/peers/bin/python bench/random_model.py 1.1B Q4_K_M OUT.gguf

Shapes: 1.1B (TinyLlama), 7B (Llama 2). Types: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K,
IQ4_NL, F16, each with the output matrix in Q6_K as llama.cpp makes it (not for Q8_0 and F16), and the mixes
Q4_K_M and Q5_K_M. Blocks are random codes under scales that give each matrix a spread of 1/sqrt(columns), so
that activations stay finite; they are drawn once per type and tiled, and a file of a gigabyte takes seconds.
The vocabulary is generated.
"""

import argparse
import itertools
import string
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as FileType

POOL_BLOCKS = 1 << 16  # random blocks of a type, before they repeat
N_CTX = 8192


@dataclass(frozen=True)
class Shape:
    n_embd: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    n_ff: int
    n_vocab: int


SHAPES = {
    "1.1B": Shape(2048, 22, 32, 4, 5632, 32000),
    "7B": Shape(4096, 32, 32, 32, 11008, 32000),
}


@dataclass(frozen=True)
class Mix:
    """A quantisation as llama.cpp names it: the type of most matrices, and of those that it spares."""

    file_type: FileType
    most: Type
    output: Type
    precious: Type | None = None  # of attn_v and ffn_down in the layers that more_bits() names


MIXES = {
    "F16": Mix(FileType.MOSTLY_F16, Type.F16, Type.F16),
    "Q8_0": Mix(FileType.MOSTLY_Q8_0, Type.Q8_0, Type.Q8_0),
    "Q4_0": Mix(FileType.MOSTLY_Q4_0, Type.Q4_0, Type.Q6_K),
    "Q4_1": Mix(FileType.MOSTLY_Q4_1, Type.Q4_1, Type.Q6_K),
    "Q5_0": Mix(FileType.MOSTLY_Q5_0, Type.Q5_0, Type.Q6_K),
    "Q5_1": Mix(FileType.MOSTLY_Q5_1, Type.Q5_1, Type.Q6_K),
    "IQ4_NL": Mix(FileType.MOSTLY_IQ4_NL, Type.IQ4_NL, Type.Q6_K),
    "Q2_K": Mix(FileType.MOSTLY_Q2_K, Type.Q2_K, Type.Q6_K),
    "Q3_K": Mix(FileType.MOSTLY_Q3_K_S, Type.Q3_K, Type.Q6_K),
    "Q4_K": Mix(FileType.MOSTLY_Q4_K_S, Type.Q4_K, Type.Q6_K),
    "Q5_K": Mix(FileType.MOSTLY_Q5_K_S, Type.Q5_K, Type.Q6_K),
    "Q6_K": Mix(FileType.MOSTLY_Q6_K, Type.Q6_K, Type.Q6_K),
    "Q4_K_M": Mix(FileType.MOSTLY_Q4_K_M, Type.Q4_K, Type.Q6_K, Type.Q6_K),
    "Q5_K_M": Mix(FileType.MOSTLY_Q5_K_M, Type.Q5_K, Type.Q6_K, Type.Q6_K),
}

# Byte offset of a block's float16 scale, and of its float16 minimum with the number of scales that centres
# the weights around 0: the mean code (of the K types too: sub-scales and sub-minima have the same mean).
SCALES = {
    Type.F16: None,
    Type.Q4_0: (0,),
    Type.Q4_1: (0, 2, -7.5),
    Type.Q5_0: (0,),
    Type.Q5_1: (0, 2, -15.5),
    Type.Q8_0: (0,),
    Type.IQ4_NL: (0,),
    Type.Q2_K: (80, 82, 1.5),
    Type.Q3_K: (108,),
    Type.Q4_K: (0, 2, 7.5),
    Type.Q5_K: (0, 2, 15.5),
    Type.Q6_K: (208,),
}


def more_bits(layer, n_layers):
    """The layers to which llama.cpp's _M mixes give more bits: both outer eighths, every third between."""
    eighth = n_layers // 8
    return layer < eighth or layer >= 7 * n_layers // 8 or (layer - eighth) % 3 == 2


def set_scales(blocks, kind, scale):
    """Writes float16 scales [blocks], and the minimum that belongs to them."""
    at, *minimum = SCALES[kind]
    blocks[:, at : at + 2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
    if minimum:
        at, factor = minimum
        blocks[:, at : at + 2] = (scale * factor).astype(np.float16).view(np.uint8).reshape(-1, 2)


class Pool:
    """Random blocks of one type whose dequantised values have a spread of 1."""

    def __init__(self, kind, random):
        n_values, self.block_bytes = gguf.GGML_QUANT_SIZES[kind]
        self.kind = kind
        if kind == Type.F16:
            self.values = random.standard_normal(POOL_BLOCKS).astype(np.float16)
            return
        codes = random.bytes(POOL_BLOCKS * self.block_bytes)
        self.blocks = np.frombuffer(codes, np.uint8).reshape(POOL_BLOCKS, self.block_bytes).copy()
        self.scale = random.uniform(0.5, 1.5, POOL_BLOCKS)
        set_scales(self.blocks, kind, self.scale)
        self.scale /= gguf.dequantize(self.blocks[: POOL_BLOCKS // 16], kind).std()

    def bytes_of(self, rows, cols, random):
        """The bytes of a matrix [rows, cols], from a random place of the pool on."""
        if self.kind == Type.F16:
            tile = (self.values * np.float16(cols**-0.5)).view(np.uint8)
        else:
            set_scales(self.blocks, self.kind, self.scale * cols**-0.5)
            tile = self.blocks.reshape(-1)
        n_values, block_bytes = gguf.GGML_QUANT_SIZES[self.kind]
        n_bytes = rows * cols // n_values * block_bytes
        start = int(random.integers(POOL_BLOCKS)) * block_bytes
        tiled = np.resize(np.concatenate([tile[start:], tile[:start]]), n_bytes)
        return tiled.reshape(rows, n_bytes // rows)


def tensors(shape, mix):
    """(name, type, rows, cols) in the order of the file; norms have no type, and one row."""
    embd, kv = shape.n_embd, shape.n_embd // shape.n_heads * shape.n_kv_heads
    yield "token_embd.weight", mix.most, shape.n_vocab, embd
    for layer in range(shape.n_layers):
        precious = mix.precious if mix.precious and more_bits(layer, shape.n_layers) else mix.most
        for name, kind, rows, cols in (
            ("attn_norm", None, 1, embd),
            ("attn_q", mix.most, embd, embd),
            ("attn_k", mix.most, kv, embd),
            ("attn_v", precious, kv, embd),
            ("attn_output", mix.most, embd, embd),
            ("ffn_norm", None, 1, embd),
            ("ffn_gate", mix.most, shape.n_ff, embd),
            ("ffn_up", mix.most, shape.n_ff, embd),
            ("ffn_down", precious, embd, shape.n_ff),
        ):
            yield f"blk.{layer}.{name}.weight", kind, rows, cols
    yield "output_norm.weight", None, 1, embd
    yield "output.weight", mix.output, shape.n_vocab, embd


def add_settings(writer, shape, mix):
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_kv_heads)
    writer.add_rope_dimension_count(shape.n_embd // shape.n_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(mix.file_type)


def add_vocabulary(writer, n_vocab):
    """A SentencePiece vocabulary: three special tokens, the 256 bytes, then words of lower-case letters."""
    special = ["<unk>", "<s>", "</s>"]
    in_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    words = (
        "".join(word)
        for n in itertools.count(1)
        for word in itertools.product(string.ascii_lowercase, repeat=n)
    )
    n_words = n_vocab - len(special) - len(in_bytes)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + in_bytes + ["\u2581" + word for word in itertools.islice(words, n_words)])
    writer.add_token_scores([0.0] * (n_vocab - n_words) + [-float(i) for i in range(n_words)])
    writer.add_token_types(
        [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
        + [kinds.BYTE] * len(in_bytes)
        + [kinds.NORMAL] * n_words
    )
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)


def write(path, shape_name, mix_name, seed=1):
    """Writes the file; another run with the same names and seed gives the same bytes."""
    shape, mix = SHAPES[shape_name], MIXES[mix_name]
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"random {shape_name} {mix_name}")
    add_settings(writer, shape, mix)
    add_vocabulary(writer, shape.n_vocab)
    for name, kind, rows, cols in tensors(shape, mix):
        if kind is None:
            writer.add_tensor_info(name, (cols,), np.dtype(np.float32), 4 * cols)
        else:
            n_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            row_bytes = cols // n_values * block_bytes
            writer.add_tensor_info(name, (rows, row_bytes), np.dtype(np.uint8), rows * row_bytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    pools = {}
    for _, kind, rows, cols in tensors(shape, mix):
        if kind is None:
            writer.write_tensor_data(np.ones(cols, np.float32))
            continue
        if kind not in pools:
            pools[kind] = Pool(kind, random)
        writer.write_tensor_data(pools[kind].bytes_of(rows, cols, random))
    writer.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=MIXES)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    write(arguments.out, arguments.shape, arguments.type)


if __name__ == "__main__":
    main()
