"""How far pellucid is from the truth, and how far llama.cpp is: logits, distributions, tokens, perplexity.

    build/peers/bin/python scripts/accuracy.py [--section exact|native|greedy|perplexity]... [--model FILE]...

The truth is the float64 forward pass of tests/reference. Sections:
  exact       `--precision f32 --kv-type f32` against the reference: normalised mean squared error of the logits
  native      the default precision of pellucid and of llama.cpp against the reference: KL divergence, top-1
  greedy      64 greedy tokens after each of 20 prompts: how often the reference would have chosen the same, and
              where pellucid and llama.cpp part, with the margins
  perplexity  of a text, in the windows of llama-perplexity; beside llama.cpp's of a longer one, too, for that of a few
              thousand tokens says little: rounding alone moves it by a tenth of a per cent either way
Prints Markdown tables, writes build/accuracy/results.json, exits 1 where a limit is exceeded. The reference's
logits are kept in build/accuracy, by content.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import comparison
import peer_llama

ROOT = comparison.ROOT
sys.path.insert(0, str(ROOT / "tests" / "reference"))

from forward import Reference  # noqa: E402
from model_file import ModelFile  # noqa: E402

FOLDER = ROOT / "build" / "accuracy"
TEXTS = ROOT / "tests" / "cases" / "text"
WINDOW = 512
NATIVE_WINDOWS = 4
EXACT_TOKENS = 640  # beyond the sliding window of Gemma 3
EXACT_NMSE = 1e-9
KL_SHARE = 1.0  # of llama.cpp's mean divergence
PERPLEXITY_SHARE = 0.002  # of llama.cpp's without rounded activations
EXACT_PERPLEXITY_SHARE = 1e-5  # of the reference's
N_NEW = 64  # greedy tokens
TIE = 1e-3  # logits closer than this may be ordered either way in float32
FLOAT = ("--precision", "f32", "--kv-type", "f32")
ROWS = 64  # positions turned into distributions at a time


class Subject:
    """One model, seen by pellucid, by llama.cpp and by the reference."""

    def __init__(self, path, binary, threads):
        self.path, self.binary, self.threads = Path(path), binary, threads
        self.text = (TEXTS / "classics.txt").read_text()
        self._reference = None
        # What the reference's answers depend on: the model file and the reference's own source.
        self._digest = hashlib.sha256(self.path.read_bytes())
        for source in ("forward.py", "model_file.py"):
            self._digest.update((ROOT / "tests" / "reference" / source).read_bytes())
        peer = peer_llama.Llama(path, 16, threads)
        self.ids = peer.tokenize(self.text)
        self.n_vocab = peer.n_vocab
        self.first = self.ids[0] if self.ids[0] != peer.tokenize(self.text, add_bos=False)[0] else None
        peer.close()

    def windows(self, count=None):
        """The whole windows of the text, as llama-perplexity cuts it: each starts with the beginning token."""
        for begin in range(0, (count or len(self.ids) // WINDOW) * WINDOW, WINDOW):
            ids = self.ids[begin : begin + WINDOW]
            yield ids if self.first is None else [self.first, *ids[1:]]

    def reference(self, tokens):
        """The reference's logits, float64."""
        self._reference = self._reference or Reference(ModelFile(self.path))
        return self._reference.logits(tokens)

    def kept_reference(self, tokens):
        """The same rounded to float32, mapped from the folder where they are kept."""
        digest = self._digest.copy()
        digest.update(json.dumps(tokens).encode())
        kept = FOLDER / f"{digest.hexdigest()[:16]}.npy"
        if not kept.exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
                np.save(Path(folder) / "part.npy", self.reference(tokens).astype(np.float32))
                (Path(folder) / "part.npy").rename(kept)
        return np.load(kept, mmap_mode="r")

    def pellucid(self, *arguments):
        """Standard output of a command of the engine on this model."""
        command = [self.binary, *arguments, "-m", self.path, "--threads", str(self.threads)]
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\n{ended.stderr}")
        return ended.stdout

    def pellucid_logits(self, tokens, *flags):
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            file = Path(folder) / "logits.npy"
            self.pellucid("logits", "--tokens", ",".join(map(str, tokens)), "-o", file, *flags)
            return np.load(file)


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def distances(reference, values):
    """Per position: KL(reference || values), top-1 agreement, squared error, squared reference."""
    rows = []
    for begin in range(0, len(reference), ROWS):
        truth, other = reference[begin : begin + ROWS], values[begin : begin + ROWS]
        p, q = log_softmax(truth), log_softmax(other)
        error = np.sum((other.astype(np.float64) - truth) ** 2, axis=1)
        norm = np.sum(truth.astype(np.float64) ** 2, axis=1)
        same = truth.argmax(axis=1) == other.argmax(axis=1)
        rows.append(np.stack([np.sum(np.exp(p) * (p - q), axis=1), same, error, norm], axis=1))
    return np.concatenate(rows)


def exact(subject):
    tokens = subject.ids[:EXACT_TOKENS]
    table = distances(subject.kept_reference(tokens), subject.pellucid_logits(tokens, *FLOAT))
    nmse = table[:, 2].sum() / table[:, 3].sum()
    worst = float((table[:, 2] / table[:, 3]).max())
    return {
        "positions": len(tokens),
        "nmse": nmse,
        "worst_position_nmse": worst,
        "top1": table[:, 1].mean(),
        "ok": bool(nmse <= EXACT_NMSE),
    }


def native(subject):
    peer = peer_llama.Llama(subject.path, WINDOW, subject.threads)
    tables = {"pellucid": [], "llama.cpp": []}
    for tokens in subject.windows(NATIVE_WINDOWS):
        reference = subject.kept_reference(tokens)
        tables["llama.cpp"].append(distances(reference, peer.logits(tokens)))
        tables["pellucid"].append(distances(reference, subject.pellucid_logits(tokens)))
    peer.close()
    result = {}
    for name, parts in tables.items():
        table = np.concatenate(parts)
        result[name] = {
            "mean_kl": table[:, 0].mean(),
            "standard_error": table[:, 0].std() / np.sqrt(len(table)),
            "p99_kl": float(np.quantile(table[:, 0], 0.99)),
            "max_kl": table[:, 0].max(),
            "top1": table[:, 1].mean(),
            "nmse": table[:, 2].sum() / table[:, 3].sum(),
        }
    share = result["pellucid"]["mean_kl"] / result["llama.cpp"]["mean_kl"]
    return {"positions": len(table), "engines": result, "kl_share": share, "ok": bool(share <= KL_SHARE)}


def choices(subject, prompt, tokens):
    """The reference's logits at each step of a continuation, and by how much it prefers another token (0: it
    would have chosen the same)."""
    rows = subject.reference(prompt + tokens)[len(prompt) - 1 : -1]
    return rows, rows.max(axis=1) - rows[np.arange(len(tokens)), tokens]


def parting(subject, prompt, ours, theirs, rows):
    """Where two continuations part: the step, both tokens, and by how much each prefers pellucid's."""
    step = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), None)
    if step is None:
        return None
    own = subject.pellucid_logits(prompt + ours[:step])[-1]
    margins = {
        name: float(row[ours[step]] - row[theirs[step]])
        for name, row in (("pellucid", own), ("reference", rows[step]))
    }
    return {"step": step, "tokens": [ours[step], theirs[step]], "margins": margins}


def continuation(subject, text, peer):
    """One prompt: the greedy tokens of pellucid, of its float path and of llama.cpp, judged by the reference."""
    flags = ("-n", N_NEW, "--temperature", 0, "--ignore-eos", "--format", "json")
    native = json.loads(subject.pellucid("generate", text, *flags))
    floats = json.loads(subject.pellucid("generate", text, *flags, *FLOAT))["tokens"]
    prompt = peer.tokenize(text)
    theirs, margins = peer.greedy(prompt, N_NEW)
    rows, regrets = choices(subject, prompt, native["tokens"])
    row = {
        "prompt": text,
        "prompt_ok": native["prompt_tokens"] == prompt and len(native["tokens"]) == N_NEW,
        "pellucid": float(np.mean(regrets == 0)),
        "pellucid_f32": float(np.mean(choices(subject, prompt, floats)[1] <= TIE)),
        "llama.cpp": float(np.mean(choices(subject, prompt, theirs)[1] == 0)),
        "parting": parting(subject, prompt, native["tokens"], theirs, rows),
    }
    if row["parting"]:
        row["parting"]["margins"]["llama.cpp"] = -margins[row["parting"]["step"]]
    return row


def greedy(subject):
    peer = peer_llama.Llama(subject.path, 256, subject.threads)
    rows = [continuation(subject, text, peer) for text in (TEXTS / "prompts.txt").read_text().splitlines()]
    peer.close()
    shares = {
        name: float(np.mean([row[name] for row in rows]))
        for name in ("pellucid", "pellucid_f32", "llama.cpp")
    }
    ok = all(row["prompt_ok"] and row["pellucid_f32"] == 1.0 for row in rows)
    return {"prompts": rows, "identical": sum(not row["parting"] for row in rows), "shares": shares, "ok": ok}


def reference_perplexity(subject):
    """As llama-perplexity scores: the second half of every window, each token given those before it."""
    scored = []
    for tokens in subject.windows():
        given = slice(WINDOW // 2, WINDOW - 1)
        rows = log_softmax(subject.kept_reference(tokens)[given])
        scored.append(rows[np.arange(len(rows)), tokens[WINDOW // 2 + 1 :]])
    return float(np.exp(-np.mean(scored)))


def llama_perplexity(model, file, threads):
    command = [peer_llama.binary_folder() / "llama-perplexity", "-m", model, "-f", file]
    command += ["-c", str(WINDOW), "-b", str(WINDOW), "-t", str(threads)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", ended.stdout + ended.stderr)[1])


def pellucid_perplexity(subject, file, *flags):
    return json.loads(subject.pellucid("perplexity", file, "--window", WINDOW, "--format", "json", *flags))["perplexity"]


def perplexity(subject):
    """llama.cpp on the file, where it rounds activations to int8, and on the same weights as F32, where it does not.
    The second is the one to agree with, on the long text."""
    file, long = TEXTS / "classics.txt", TEXTS / "pages.txt"
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        floats = Path(folder) / "f32.gguf"
        requantise = ROOT / "bench" / "requantise.py"
        subprocess.run([sys.executable, requantise, subject.path, "F32", floats], check=True)
        result = {
            "reference": reference_perplexity(subject),
            "pellucid_f32": pellucid_perplexity(subject, file, *FLOAT),
            "pellucid": pellucid_perplexity(subject, file),
            "llama.cpp_f32": llama_perplexity(floats, file, subject.threads),
            "llama.cpp": llama_perplexity(subject.path, file, subject.threads),
            "long_pellucid": pellucid_perplexity(subject, long),
            "long_llama.cpp_f32": llama_perplexity(floats, long, subject.threads),
            "long_llama.cpp": llama_perplexity(subject.path, long, subject.threads),
        }
    for text in ("", "long_"):
        for peer in ("llama.cpp_f32", "llama.cpp"):
            result[f"{text}to_{peer}"] = result[f"{text}pellucid"] / result[f"{text}{peer}"] - 1
    exact_share = result["pellucid_f32"] / result["reference"] - 1
    ok = abs(result["long_to_llama.cpp_f32"]) <= PERPLEXITY_SHARE and abs(exact_share) <= EXACT_PERPLEXITY_SHARE
    return {**result, "ok": ok}


def show_native(result):
    print(f"{result['positions']} positions, KL share {result['kl_share']:.3f}\n")
    columns = ("mean_kl", "standard_error", "p99_kl", "max_kl", "top1", "nmse")
    print(f"| engine | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for name, row in result["engines"].items():
        print(f"| {name} | {' | '.join(f'{row[column]:.4g}' for column in columns)} |")


def show_greedy(result):
    shares = ", ".join(f"{name} {share:.2%}" for name, share in result["shares"].items())
    print(f"{result['identical']} of {len(result['prompts'])} continuations identical.")
    print(f"Steps at which the reference chooses the same token: {shares}.\n")
    print("Where they part, the logit of pellucid's token less that of llama.cpp's:\n")
    print("| prompt | step | pellucid | reference | llama.cpp |\n| --- | ---: | ---: | ---: | ---: |")
    for row in filter(lambda row: row["parting"], result["prompts"]):
        margins = row["parting"]["margins"]
        values = " | ".join(f"{margins[name]:+.4f}" for name in ("pellucid", "reference", "llama.cpp"))
        print(f"| {row['prompt'][:40]} | {row['parting']['step']} | {values} |")


def show_plain(result):
    names = [name for name in result if name != "ok"]
    print(f"| {' | '.join(names)} |\n|{' ---: |' * len(names)}")
    print(f"| {' | '.join(f'{result[name]:.6g}' for name in names)} |")


SECTIONS = {
    "exact": (exact, show_plain),
    "native": (native, show_native),
    "greedy": (greedy, show_greedy),
    "perplexity": (perplexity, show_plain),
}


def main():
    parser = comparison.parser(__doc__)
    parser.add_argument("--section", action="append", choices=SECTIONS, help="default: all")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    results = {}
    for path in arguments.model or comparison.models_in_cache():
        subject = Subject(path, arguments.binary, arguments.threads)
        for section in arguments.section or SECTIONS:
            measure, show = SECTIONS[section]
            result = results.setdefault(path.name, {})[section] = measure(subject)
            print(f"\n## {path.name}: {section}: {'ok' if result['ok'] else 'LIMIT EXCEEDED'}\n")
            show(result)
            sys.stdout.flush()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1, default=float) + "\n")
    return 0 if all(result["ok"] for model in results.values() for result in model.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
