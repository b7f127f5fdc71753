"""Vocabularies for the tiny models: every byte, a few merges, the special tokens; valid for any text."""

from gguf import TokenType

MERGES = (
    """Ġ t|h e|i n|r e|Ġ a|Ġt he|o n|e r|Ġ s|a t|Ġ w|Ġ o|e n|Ġ c|i t|i s|a n|o r|e s|Ġ b|e d|Ġ f|in g|Ġ p"""
)
PIECES = "▁t he ▁the in re ▁a on er ▁s at ▁w en ▁c it is an or es ▁b ed ▁f ing ▁p ▁in ▁of".split()
LETTERS = "▁abcdefghijklmnopqrstuvwxyz"
PRE_TOKENIZERS = {"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "gpt2": "gpt-2"}


def byte_characters():
    """GPT-2's printable character of each byte."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{byte: chr(byte) for byte in printable},
        **{byte: chr(256 + i) for i, byte in enumerate(others)},
    }


def add_byte_level_bpe(writer, architecture):
    """256 bytes, 24 merges, 3 special tokens; returns the size of the vocabulary."""
    merges = MERGES.split("|")
    normal = list(byte_characters().values()) + [merge.replace(" ", "") for merge in merges]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZERS[architecture])
    writer.add_token_list(normal + special)
    writer.add_token_types([TokenType.NORMAL] * len(normal) + [TokenType.CONTROL] * len(special))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(normal))
    writer.add_eos_token_id(len(normal))
    writer.add_add_bos_token(False)
    return len(normal) + len(special)


def add_sentencepiece(writer, architecture):
    """Control tokens, byte fallback, letters and pieces with scores; returns the size of the vocabulary."""
    del architecture  # all share one normaliser
    control = ["<pad>", "<eos>", "<bos>", "<unk>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    normal = PIECES + list(LETTERS)
    kinds = (
        [TokenType.CONTROL] * 3
        + [TokenType.UNKNOWN]
        + [TokenType.BYTE] * 256
        + [TokenType.NORMAL] * len(normal)
    )
    scores = [0.0] * (len(control) + 256) + [-float(rank) for rank in range(len(normal))]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(control + byte_tokens + normal)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    for add, token in (
        (writer.add_pad_token_id, 0),
        (writer.add_eos_token_id, 1),
        (writer.add_bos_token_id, 2),
        (writer.add_unk_token_id, 3),
    ):
        add(token)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    return len(kinds)
