"""A llama model of about 120 kB with random weights, written with the `gguf` package: for tests that need a
loadable file, or one with a single defect. Its vocabulary is the 256 bytes, three merges and two special
tokens."""

from pathlib import Path

import gguf
import numpy as np

N_EMBD, N_HEADS, N_FF, N_LAYERS, N_CTX = 32, 2, 64, 2, 128
BOS, EOS = 259, 260
N_VOCAB = 261


def byte_alphabet() -> list[str]:
    """The characters that stand for bytes 0 to 255 in GPT-2's byte-level BPE."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def tensors(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def matrix(rows: int, cols: int) -> np.ndarray:
        return random.normal(0, cols**-0.5, (rows, cols)).astype(np.float32)

    made = {"token_embd.weight": matrix(N_VOCAB, N_EMBD), "output_norm.weight": np.ones(N_EMBD, np.float32)}
    for layer in range(N_LAYERS):
        block = {
            "attn_norm": np.ones(N_EMBD, np.float32),
            "attn_q": matrix(N_EMBD, N_EMBD),
            "attn_k": matrix(N_EMBD, N_EMBD),
            "attn_v": matrix(N_EMBD, N_EMBD),
            "attn_output": matrix(N_EMBD, N_EMBD),
            "ffn_norm": np.ones(N_EMBD, np.float32),
            "ffn_gate": matrix(N_FF, N_EMBD),
            "ffn_up": matrix(N_FF, N_EMBD),
            "ffn_down": matrix(N_EMBD, N_FF),
        }
        made |= {f"blk.{layer}.{name}.weight": value for name, value in block.items()}
    return made


def write(path: Path, *, architecture="llama", seed=1, change=None, without=(), settings=None, template=None) -> Path:
    """Writes the model. `change` maps names of tensors to other values, `without` names those to leave out,
    `settings` maps suffixes of metadata keys ("attention.head_count") to other values, or None to leave one
    out; `template` is the chat template."""
    writer = gguf.GGUFWriter(path, architecture)
    numbers = {
        "block_count": N_LAYERS,
        "embedding_length": N_EMBD,
        "context_length": N_CTX,
        "feed_forward_length": N_FF,
        "attention.head_count": N_HEADS,
        "attention.head_count_kv": N_HEADS,
    }
    for key, value in (numbers | (settings or {})).items():
        if value is not None:
            writer.add_uint32(f"{architecture}.{key}", value)
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)

    pieces = [*byte_alphabet(), "he", "th", "the", "<|bos|>", "<|eos|>"]
    types = [gguf.TokenType.NORMAL] * (len(pieces) - 2) + [gguf.TokenType.CONTROL] * 2
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types(types)
    writer.add_token_merges(["h e", "t h", "th e"])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    if template is not None:
        writer.add_chat_template(template)

    for name, value in (tensors(seed) | (change or {})).items():
        if name not in without:
            writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
