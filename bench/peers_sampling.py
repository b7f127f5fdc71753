"""pellucid's sampling chain beside llama.cpp's, on logits of real models.

    build/peers/bin/python bench/peers_sampling.py [--repeats 301]

Both run in one process, one thread and in turns, timed by the processor time that they take, on the rows of one text (bench/peers_sampling.cpp, built as
bench_peers_sampling). llama.cpp's time is that of llama_sampler_apply() on its chain, and the same with the array
of candidates that its common code fills from the logits at each step. What pellucid's adds to a decode step is the
mean by the clock with all threads at hand, and its share of a step, which `pellucid bench` measures in the same minute. A table goes to standard output, the figures to
build/bench/peers_sampling.json.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import comparison  # noqa: E402
import numpy as np  # noqa: E402
import peer_llama  # noqa: E402

TEXT = "The capital of France is Paris. Once upon a time, there was a king who had three daughters, and"
FIGURES = ROOT / "build" / "bench" / "peers_sampling.json"


def logits_of(binary, model, folder):
    """(the file of raw rows, tokens of the vocabulary)."""
    npy, raw = folder / "rows.npy", folder / "rows.f32"
    subprocess.run([binary, "logits", TEXT, "-m", model, "-o", npy], check=True, capture_output=True)
    rows = np.load(npy)
    rows.tofile(raw)
    return raw, rows.shape[1]


def decode_ms(binary, model):
    """The time of one decode step, on as many threads as are there."""
    command = [binary, "bench", "-m", model, "-p", "0", "-n", "32", "-r", "3", "--format", "json"]
    results = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["results"]
    return 1e3 / max(row["tokens_per_s"] for row in results if row["test"] == "decode")


def measure(program, binary, model, repeats):
    with tempfile.TemporaryDirectory() as folder:
        raw, n_vocab = logits_of(binary, model, Path(folder))
        command = [program, peer_llama.binary_folder(), raw, str(n_vocab), str(repeats)]
        ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    step = decode_ms(binary, model)
    for line in ended.stdout.splitlines():
        yield {"model": model.stem, "vocabulary": n_vocab, "decode_ms": step} | json.loads(line)


def line_of(row):
    ours, apply, whole = row["pellucid_us"], row["apply_us"], row["with_array_us"]
    share = f"{row['step_us'] / row['decode_ms'] / 10:.2f} %"
    peer = f"{apply:.0f} | {whole:.0f} | {apply / ours:.1f} / {whole / ours:.1f}" if apply else "| |"
    return f"| {row['vocabulary']:,} | {row['case']} | {ours:.1f} | {row['step_us']:.1f} | {share} | {peer} |"


def main():
    options = comparison.parser(__doc__)
    options.add_argument("--program", type=Path, default=ROOT / "build/release/bench/bench_peers_sampling")
    options.add_argument("--repeats", type=int, default=301)
    arguments = options.parse_args()
    rows = []
    print("| tokens | chain and draw | pellucid, us | in a step, mean | of it | llama.cpp: apply | with its array | ratios |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for model in arguments.model or comparison.models_in_cache():
        for row in measure(arguments.program, arguments.binary, model, arguments.repeats):
            rows.append(row)
            print(line_of(row), flush=True)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
