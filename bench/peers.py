"""pellucid and llama.cpp on the same files and the same machine, in turns: prefill, decoding, decoding at depths and
of several texts together.

    build/peers/bin/python bench/peers.py [--quick] [--models NAME,...] [--neighbour]

An alternation walks all models; on each it runs `pellucid bench` and `llama-bench`, one repetition each, in
an order that changes from one alternation to the next, so that whatever else the machine does meets both.
What the machine can read and multiply at most is measured by `pellucid bench` beside each of its tests. Every
figure goes into build/bench/peers.json; medians with the smallest and largest value go into
performance-table.md, and a drawing of them into performance.svg: in build/bench or the folder of --into.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import comparison  # noqa: E402
import model_files  # noqa: E402
import peer_llama  # noqa: E402
import report  # noqa: E402

ENGINES = ("pellucid", "llama.cpp")
BUILD = ROOT / "build" / "bench"
N_PROMPT, N_GEN = 512, 64
TOGETHER = [1, 4, 16, 64]  # texts
N_TOGETHER = 32  # tokens of each

# Keeps one processor busy until the process that started it is gone.
SPIN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1 << 20):
        pass
"""


def text_of(command):
    command = list(map(str, command))
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{ended.stderr}")
    return ended.stdout


def output_of(command):
    return json.loads(text_of(command))


def pellucid(binary, path, n_prompt, n_gen, depths, threads):
    """Rows of one repetition: {test, depth, threads, rate, cost, limit, in_streams, products}, the last four in 1e9."""
    shared = ["-m", path, "-p", n_prompt, "-n", n_gen, "-r", 1, "--format", "json"]
    lists = ["-d", ",".join(map(str, depths)), "-t", ",".join(map(str, threads))]
    for row in output_of([binary, "bench", *shared, *lists])["results"]:
        decode = row["test"] == "decode"
        yield {
            "test": row["test"],
            "depth": row["depth"],
            "threads": row["threads"],
            "rate": row["tokens_per_s"],
            "cost": row["kv_bytes_per_token" if decode else "macs_per_token"] / 1e9,
            "limit": row["bandwidth_gb_per_s" if decode else "integer_gmac_per_s"][0],
            "in_streams": row["bandwidth_in_streams_gb_per_s"][0] if decode else None,
            "products": None if decode else row["products_gmac_per_s"][0],
        }


def llama(path, n_prompt, n_gen, depths, threads):
    """The same without cost and limit. Most threads first: the filled context is kept for the fewer ones."""
    program = peer_llama.binary_folder() / "llama-bench"
    shared = ["-m", path, "-p", n_prompt, "-n", n_gen, "-r", 1, "-o", "json"]
    for depth in depths:
        lists = ["-d", depth, "-t", ",".join(map(str, sorted(threads, reverse=True)))]
        for row in output_of([program, *shared, *lists]):
            test = "prefill" if row["n_prompt"] else "decode"
            yield {"test": test, "depth": depth, "threads": row["n_threads"], "rate": row["avg_ts"]}


def together(engine, binary, path, threads):
    """Rows of one repetition: {test, depth, threads, sequences, rate}, the rate of all texts together."""
    texts = ",".join(map(str, TOGETHER))
    if engine == "pellucid":
        tests = ["-p", 0, "-n", N_TOGETHER, "-s", texts, "-t", threads, "-r", 1, "--format", "json"]
        rows = output_of([binary, "bench", "-m", path, *tests])["results"]
        rates = [(row["sequences"], row["tokens_per_s"]) for row in rows]
    else:
        program = peer_llama.binary_folder() / "llama-batched-bench"
        room = TOGETHER[-1] * (N_TOGETHER + 1)
        tests = ["-c", room, "-npp", 1, "-ntg", N_TOGETHER, "-npl", texts, "-t", threads]
        lines = text_of([program, "-m", path, *tests, "--output-format", "jsonl"]).splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        rates = [(row["pl"], row["speed_tg"]) for row in rows]
    for sequences, rate in rates:
        yield {"test": "together", "depth": 0, "threads": threads, "sequences": sequences, "rate": rate}


def cost_of_weights(binary, path):
    """(bytes, multiply-adds) of the matrices that a decoded token takes, in units of 1e9: no embedding, unless that
    makes the logits too."""
    tensors = output_of([binary, "inspect", path, "--format", "json"])["tensors"]
    matrices = {tensor["name"]: tensor for tensor in tensors if len(tensor["shape"]) > 1}
    if "output.weight" in matrices:
        matrices.pop("token_embd.weight")
    taken = matrices.values()
    return sum(m["bytes"] for m in taken) / 1e9, sum(math.prod(m["shape"]) for m in taken) / 1e9


class Results:
    """Rows of all alternations, found by what they measure."""

    def __init__(self):
        self.rows = {}

    def add(self, model, engine, measured, weights, busy=False):
        """`weights`: what the file's matrices cost a decoded token, of cost_of_weights."""
        n_bytes, n_macs = weights
        for one in measured:
            key = (model.label, one["test"], one["depth"], one["threads"], one.get("sequences", 1), busy)
            names = dict(zip(("model", "test", "depth", "threads", "sequences", "busy"), key, strict=True))
            kinds = (*ENGINES, "limit", "in_streams", "products")
            row = self.rows.setdefault(key, names | {name: [] for name in kinds})
            row[engine].append(one["rate"])
            if "limit" in one:
                row["limit"].append(one["limit"])
                row["in_streams"].append(one["in_streams"])
                row["products"].append(one["products"])
                row["cost"] = one["cost"] + (n_bytes if one["test"] == "decode" else 0)
            elif one["test"] == "together":
                row["cost"] = n_macs


class Quiet:
    """How much of the processors others take while this program measures."""

    def __init__(self):
        self.began, self.before = time.monotonic(), self.seconds()

    @staticmethod
    def seconds():
        """(of all processes but this one and its children, stolen by the hypervisor), of all processors."""
        user, nice, system, _, _, irq, softirq, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
        tick = os.sysconf("SC_CLK_TCK")
        return (user + nice + system + irq + softirq) / tick - sum(os.times()[:4]), stolen / tick

    def shares(self):
        """{minutes, others, stolen}: the last two as shares of all processors."""
        elapsed = time.monotonic() - self.began
        others, stolen = (
            (now - then) / elapsed / os.cpu_count()
            for now, then in zip(self.seconds(), self.before, strict=True)
        )
        return {"minutes": elapsed / 60, "others": max(0.0, others), "stolen": stolen}


@contextlib.contextmanager
def neighbour():
    """Another process that keeps one processor busy for the length of a with-block."""
    child = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        os.sched_setaffinity(child.pid, {max(os.sched_getaffinity(0))})
        yield
    finally:
        child.terminate()
        child.wait()


def runs_of(model, arguments):
    """(tokens of the prompt, tokens to decode, depths, threads, whether a neighbour is busy) of each run on a model.
    All depths are one run: what is compared is measured within seconds."""
    threads, deep = arguments.threads, arguments.depths if model.deep else []
    yield arguments.prompt, 0, [0], threads, False
    if threads[:-1]:
        yield 0, arguments.gen, [0], threads[:-1], False
    yield 0, arguments.gen, sorted({0, *deep}), threads[-1:], False
    if arguments.neighbour:
        yield 0, arguments.gen, [0], threads[-1:], True


def measure(results, models, arguments, alternation):
    """One alternation: both engines on every model."""
    engines = ENGINES if alternation % 2 == 0 else ENGINES[::-1]
    for model, path, weights in models:
        for *test, busy in runs_of(model, arguments):
            for engine in engines:
                with neighbour() if busy else contextlib.nullcontext():
                    rows = (
                        pellucid(arguments.binary, path, *test) if engine == "pellucid" else llama(path, *test)
                    )
                    results.add(model, engine, rows, weights, busy)
        for engine in engines if model.together else ():
            rows = together(engine, arguments.binary, path, arguments.threads[-1])
            results.add(model, engine, rows, weights)


def counts(text):
    return sorted({int(count) for count in text.split(",")})


def parse():
    parser = comparison.parser(__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two models, most threads, depth 2048, 2 alternations"
    )
    parser.add_argument(
        "--models", type=lambda text: text.split(","), help="rows of bench/model_files.py by name"
    )
    parser.add_argument("--threads", type=counts, default=counts(f"1,{len(os.sched_getaffinity(0))}"))
    parser.add_argument("--depths", type=counts, default=[2048, 4096])
    parser.add_argument("--prompt", type=int, default=N_PROMPT)
    parser.add_argument("--gen", type=int, default=N_GEN)
    parser.add_argument("--alternations", type=int, default=5)
    parser.add_argument(
        "--neighbour", action="store_true", help="also decode beside a process that keeps a core busy"
    )
    parser.add_argument(
        "--into", type=Path, default=BUILD, metavar="FOLDER", help="of the table and the plot"
    )
    arguments = parser.parse_args()
    if arguments.alternations < 1:
        parser.error("--alternations must be at least 1")
    if arguments.quick:
        arguments.threads, arguments.depths, arguments.alternations = arguments.threads[-1:], [2048], 2
        arguments.models = arguments.models or model_files.QUICK
    return arguments


def chosen_models(arguments):
    """[(model, path, cost of its weights)]; files are made where they are missing."""
    if arguments.model:
        rows = [(model_files.Model(path.stem, ("given", path)), path) for path in arguments.model]
    else:
        known = {model.name: model for model in model_files.MODELS + model_files.ON_REQUEST}
        names = arguments.models or [model.name for model in model_files.MODELS]
        if unknown := [name for name in names if name not in known]:
            raise SystemExit(f"no model {', '.join(unknown)}; there are {', '.join(known)}")
        rows = [(known[name], model_files.path_of(known[name])) for name in names]
    return [(model, path, cost_of_weights(arguments.binary, path)) for model, path in rows]


def write(arguments, taken, rows, folder):
    run = {"prompt": arguments.prompt, "gen": arguments.gen} | taken
    measured = {"machine": report.machine(), "run": run, "rows": rows}
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "peers.json").write_text(json.dumps(measured, indent=1) + "\n")
    report.write(measured, folder)


def main():
    arguments = parse()
    models = chosen_models(arguments)
    results, quiet = Results(), Quiet()
    for alternation in range(arguments.alternations):
        measure(results, models, arguments, alternation)
        taken = quiet.shares() | {"alternations": alternation + 1}
        progress = f"alternation {alternation + 1}, {taken['minutes']:.1f} minutes"
        others = f"others took {taken['others']:.1%} of the processors, the hypervisor {taken['stolen']:.1%}"
        print(f"peers: {progress}; {others}", file=sys.stderr)
        done = alternation + 1 == arguments.alternations
        folder = arguments.into if done else BUILD  # an interrupted run leaves what it has measured
        write(arguments, taken, list(results.rows.values()), folder)
    print(f"peers: the table and the plot are in {arguments.into}", file=sys.stderr)


if __name__ == "__main__":
    main()
