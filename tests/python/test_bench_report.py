"""The table and the plot of bench/peers.py, on figures that can be worked out by hand."""

import copy
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import report  # noqa: E402


def row(test, depth, pellucid, llama, cost, limit, *, threads=2, sequences=1, busy=False):
    names = {"model": "1.1B shape Q4_1", "test": test, "depth": depth, "threads": threads, "busy": busy}
    names["sequences"] = sequences
    figures = {"limit": limit, "in_streams": [1.25 * v for v in limit], "products": [0.75 * v for v in limit]}
    return names | {"pellucid": pellucid, "llama.cpp": llama, "cost": cost} | figures


MEASURED = {
    "machine": {"cpu": "a <fast> machine", "processors": 2, "llama.cpp": "1", "compiler": "gcc"},
    "run": {"alternations": 3, "prompt": 512, "gen": 64, "minutes": 5.0, "others": 0.25, "stolen": 0.01},
    "rows": [
        row("prefill", 0, [600.0, 500.0, 400.0], [50.0, 51.0, 49.0], 0.5, [400.0, 500.0, 450.0]),
        row("decode", 0, [9.0, 10.0, 30.0], [5.0, 8.0, 2.0], 4.0, [50.0, 40.0, 60.0]),
        row("decode", 2048, [6.0, 7.0, 8.0], [1.0, 1.0, 1.0], 5.0, [50.0, 50.0, 50.0]),
        row("together", 0, [9.0, 10.0, 11.0], [5.0, 4.0, 3.0], 2.0, []),
        row("together", 0, [34.0, 35.0, 36.0], [6.0, 5.0, 4.0], 2.0, [], sequences=4),
        row("together", 0, [70.0, 60.0, 50.0], [40.0, 40.0, 40.0], 2.0, [], sequences=16),
        row("decode", 0, [4.0, 3.0, 2.0], [1.0, 1.0, 1.0], 4.0, [1.0, 1.0, 1.0], busy=True),
    ],
}


@pytest.fixture
def lines():
    return report.markdown(MEASURED).splitlines()


def test_rates_shares_and_ratios(lines):
    """Compared within an alternation: 500 of 500 times 0.5; 500 to 51; 10 of 40 times 4; 9 to 5."""
    assert "| 1.1B shape Q4_1 | 2 | 500 (400 to 600) | 50 % | 75 % | 50.0 (49.0 to 51.0) | 5 % | 9.80 |" in lines
    assert "| 1.1B shape Q4_1 | 2 | 10.0 (9.0 to 30.0) | 100 % | 5.0 (2.0 to 8.0) | 40 % | 1.80 |" in lines


def test_losses_at_a_depth(lines):
    """6 of 9 and 1 of 5 tokens a second are left; 4 of 5 bytes are weights."""
    ours, theirs = "7.0 (6.0 to 8.0) | 70 % | 33 %", "1.0 (1.0 to 1.0) | 10 % | 80 %"
    assert f"| 1.1B shape Q4_1 | 2048 | 2 | {ours} | {theirs} | 20 % | 7.00 |" in lines


def test_a_busy_neighbour(lines):
    ours = "10.0 (9.0 to 30.0) | 3.0 (2.0 to 4.0) | 30 %"
    theirs = "5.0 (2.0 to 8.0) | 1.0 (1.0 to 1.0) | 20 %"
    assert f"| 1.1B shape Q4_1 | {ours} | {theirs} |" in lines


def test_texts_together(lines):
    """2 of 450 multiply-adds that are possible a token."""
    ours, theirs = "35.0 (34.0 to 36.0) | 3.50 | 16 %", "5.0 (4.0 to 6.0) | 1.25 | 2 %"
    assert f"| 1.1B shape Q4_1 | 2 | 4 | {ours} | {theirs} | 7.00 |" in lines


def test_texts_together_without_a_prefill():
    rows = [row for row in MEASURED["rows"] if row["test"] != "prefill"]
    ours, theirs = "35.0 (34.0 to 36.0) | 3.50 | ", "5.0 (4.0 to 6.0) | 1.25 | "
    assert f"| 1.1B shape Q4_1 | 2 | 4 | {ours} | {theirs} | 7.00 |" in report.markdown(MEASURED | {"rows": rows})


def test_goals(lines):
    where = "1.1B shape Q4_1, 2 threads"
    depth = f"{where}, depth 2048"
    expected = {
        "decode, 2 threads: share of the read bandwidth": f"at least 0.85 | 1.00 | {where} | met",
        "decode, 2 threads: times llama.cpp": f"at least 1.20 | 1.80 | {where} | met",
        "decode at depth: loss, times what the KV bytes explain": f"at most 2.00 | 1.67 | {depth} | met",
        "prefill, 1.1B shape: share of the int8 peak, in products": f"at least 0.60 | 0.75 | {where} | met",
        "prefill, Q4_1: times llama.cpp": f"at least 5.00 | 9.80 | {where} | met",
        "4 texts together: times one": f"at least 3.00 | 3.50 | {where} | met",
        "16 texts together: times one": f"at least 8.00 | 6.00 | {where} | not met",
        "16 texts together: times llama.cpp": f"at least 2.00 | 1.50 | {where} | not met",
        "decode beside a busy process: share of the quiet rate": f"at least 0.45 | 0.30 | {where} | not met",
    }
    for what, figures in expected.items():
        assert f"| {what} | {figures} |" in lines


def test_the_machine_is_described_by_quiet_figures(lines):
    assert "- Read bandwidth, measured beside each test: 50.0 (40.0 to 60.0) GB/s on 2 threads." in lines
    assert "  At four places of memory in turns: 62.5 (50.0 to 75.0) GB/s on 2 threads." in lines
    assert "- int8 multiply-adds: 450.0 (400.0 to 500.0) G/s on 2 threads." in lines
    assert any(
        line.startswith("- Meanwhile 25 % of the processors went to other processes, 1 %") for line in lines
    )


def test_what_was_not_measured_has_no_table():
    without = copy.deepcopy(MEASURED)
    without["rows"] = [each for each in without["rows"] if each["test"] == "prefill"]
    text = report.markdown(without)
    assert "## Prefill" in text
    assert "ecoding" not in text.split("## Goals")[1]


def test_the_plot_is_xml_with_a_bar_for_each_engine_and_test(tmp_path):
    report.write(MEASURED, tmp_path)
    root = ElementTree.parse(tmp_path / "performance.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    bars = [rect for rect in root.iter(f"{space}rect") if rect.get("height") == "13"]
    assert len(bars) == 6
    widths = [float(rect.get("width")) for rect in bars]
    shares = [1, 0.4, 0.7, 0.1, 0.5, 49 * 0.5 / 450]
    assert widths == pytest.approx([share * widths[0] for share in shares], rel=0.02)
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"500/s", "10.0/s", "\u00d79.8", "\u00d71.8"} <= set(texts)
