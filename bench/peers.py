"""pellucid and llama.cpp on the same files and the same machine, in turns: prefill of 512 tokens, decoding of 128.

    build/peers/bin/python bench/peers.py [--model FILE]... [--threads 1,2] [--alternations 5]

Each alternation runs `pellucid bench` and then `llama-bench`, one repetition each, so that whatever else the
machine does meets both. Prints a Markdown table of medians with the smallest and largest value, and writes
build/bench/peers.json.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import comparison  # noqa: E402
import peer_llama  # noqa: E402

N_PROMPT, N_GEN = 512, 128


def run(command):
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{ended.stderr}")
    return json.loads(ended.stdout)


def pellucid(binary, model, threads):
    """Tokens a second of one run: {"prefill": rate, "decode": rate}."""
    command = [
        binary,
        "bench",
        "-m",
        model,
        "-p",
        N_PROMPT,
        "-n",
        N_GEN,
        "-t",
        threads,
        "-r",
        1,
        "--format",
        "json",
    ]
    return {row["test"]: row["tokens_per_s"] for row in run(command)["results"]}


def llama(model, threads):
    program = peer_llama.binary_folder() / "llama-bench"
    rows = run([program, "-m", model, "-p", N_PROMPT, "-n", N_GEN, "-t", threads, "-r", 1, "-o", "json"])
    return {"prefill" if row["n_prompt"] else "decode": row["avg_ts"] for row in rows}


def measure(binary, models, thread_counts, alternations):
    """[{model, test, threads, pellucid: [rates], llama.cpp: [rates]}]"""
    rows = []
    for model in models:
        for threads in thread_counts:
            rates = {"prefill": ([], []), "decode": ([], [])}
            for _ in range(alternations):
                for engine, result in enumerate((pellucid(binary, model, threads), llama(model, threads))):
                    for test, rate in result.items():
                        rates[test][engine].append(rate)
            for test, (ours, theirs) in rates.items():
                rows.append(
                    {
                        "model": model.name,
                        "test": test,
                        "threads": threads,
                        "pellucid": ours,
                        "llama.cpp": theirs,
                    }
                )
    return rows


def cell(rates):
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


def show(rows):
    print("Tokens a second: median (smallest to largest).\n")
    print(
        "| model | test | threads | pellucid | llama.cpp | ratio |\n| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        ratio = statistics.median(row["pellucid"]) / statistics.median(row["llama.cpp"])
        print(
            f"| {row['model']} | {row['test']} | {row['threads']} | {cell(row['pellucid'])} "
            f"| {cell(row['llama.cpp'])} | {ratio:.2f} |"
        )


def main():
    parser = comparison.parser(__doc__)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--alternations", type=int, default=5)
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.threads.split(",")]
    models = arguments.model or comparison.models_in_cache()
    rows = measure(arguments.binary, models, counts, arguments.alternations)
    show(rows)
    output = ROOT / "build" / "bench" / "peers.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
