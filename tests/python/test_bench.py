"""`pellucid bench`: what it says a token costs, against the same computed from the file."""

import json
import os
import subprocess
from pathlib import Path

import gguf
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BINARY = os.environ.get("PELLUCID_BINARY") or ROOT / "build/release/src/cli/pellucid"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid/models"
REAL_MODEL = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
N_PROMPT, N_GEN, DEPTHS, REPEATS = 4, 3, (0, 70), 2

needs_model = pytest.mark.skipif(not REAL_MODEL.exists(), reason="needs scripts/fetch_models.py smollm2")


def bench(*arguments):
    command = [BINARY, "bench", "-m", REAL_MODEL, "-t", "1", "--format", "json", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def rows():
    ended = bench("-p", N_PROMPT, "-n", N_GEN, "-d", ",".join(map(str, DEPTHS)), "-r", REPEATS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)["results"]


@pytest.fixture(scope="module")
def file():
    return gguf.GGUFReader(REAL_MODEL)


def matrices(file):
    """Every weight matrix; the token embedding is one of them, since this model makes its logits with it."""
    return [tensor for tensor in file.tensors if len(tensor.shape) == 2]


@needs_model
def test_a_row_for_each_test_and_depth_with_every_repeat(rows):
    assert [(row["test"], row["depth"]) for row in rows] == [
        (test, depth) for depth in DEPTHS for test in ("prefill", "decode")
    ]
    for row in rows:
        assert len(row["each"]) == REPEATS
        assert row["tokens_per_s"] == pytest.approx(np.median(row["each"]))
        assert (row["min"], row["max"]) == (min(row["each"]), max(row["each"]))


@needs_model
def test_bytes_of_a_decoded_token(rows, file):
    def number(key):
        return int(file.fields[f"llama.{key}"].contents())

    head_dim = number("embedding_length") // number("attention.head_count")
    kv_width = number("attention.head_count_kv") * head_dim
    position = 2 * 2 * kv_width * number("block_count")  # K and V in float16
    weights = sum(int(tensor.n_bytes) for tensor in matrices(file))
    for row in (row for row in rows if row["test"] == "decode"):
        seen = np.mean([row["depth"] + 1 + i for i in range(N_GEN)])
        assert row["kv_bytes_per_token"] == position * seen
        assert row["bytes_per_token"] == weights + position * seen
        share = row["tokens_per_s"] * row["bytes_per_token"] / 1e9 / np.median(row["bandwidth_gb_per_s"])
        assert row["bandwidth_share"] == pytest.approx(share)
        assert len(row["bandwidth_in_streams_gb_per_s"]) == REPEATS


@needs_model
def test_multiply_adds_of_a_prompt(rows, file):
    sizes = {tensor.name: int(np.prod(tensor.shape)) for tensor in matrices(file)}
    head = sizes.pop("token_embd.weight")  # the last position alone
    layers = {int(name.split(".")[1]) for name in sizes}
    after_attention = ("attn_output", "ffn_gate", "ffn_up", "ffn_down")  # of the last layer: the last position alone
    spared = sum(sizes[f"blk.{max(layers)}.{name}.weight"] for name in after_attention)
    taken = N_PROMPT * sum(sizes.values()) - (N_PROMPT - 1) * spared + head
    for row in (row for row in rows if row["test"] == "prefill"):
        assert row["macs_per_token"] * N_PROMPT == pytest.approx(taken)
        share = row["tokens_per_s"] * row["macs_per_token"] / 1e9 / np.median(row["integer_gmac_per_s"])
        assert row["integer_share"] == pytest.approx(share)
        of_products = np.median(row["products_gmac_per_s"]) / np.median(row["integer_gmac_per_s"])
        assert row["integer_share_of_products"] == pytest.approx(of_products)
        assert len(row["products_gmac_per_s"]) == REPEATS
        assert min(row["products_gmac_per_s"]) > 0


@needs_model
def test_what_does_not_fit_the_context_is_refused_at_once():
    ended = bench("-d", "0,8000", "-p", "512")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "8512" in ended.stderr
    assert "8192" in ended.stderr
