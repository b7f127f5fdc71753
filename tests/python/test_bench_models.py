"""The files that bench/ makes: random models that load, in llama.cpp's mixes; requantised ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BINARY = os.environ.get("PELLUCID_BINARY") or ROOT / "build/release/src/cli/pellucid"
MODELS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid/models"
GEMMA = MODELS / "gemma-3-270m-q4_k_m.gguf"

sys.path.insert(0, str(ROOT / "bench"))
import random_model  # noqa: E402
import requantise  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    """A shape that takes a moment; its name."""
    shape = random_model.Shape(n_embd=256, n_layers=2, n_heads=4, n_kv_heads=2, n_ff=512, n_vocab=300)
    monkeypatch.setitem(random_model.SHAPES, "small", shape)
    monkeypatch.setattr(random_model, "POOL_BLOCKS", 1 << 12)
    return "small"


@pytest.mark.parametrize("mix", random_model.MIXES)
def test_a_random_model_has_finite_logits(small, tmp_path, mix):
    path, logits = tmp_path / "m.gguf", tmp_path / "logits.npy"
    random_model.write(path, small, mix)
    command = [BINARY, "logits", "--tokens", "1,2,299", "-m", path, "-o", logits]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    values = np.load(logits)
    assert values.shape == (3, 300)
    assert np.isfinite(values).all()
    assert 0.3 < values.std() < 3  # neither vanished nor blown up


@pytest.mark.parametrize("mix", random_model.MIXES)
def test_the_spread_of_a_random_matrix(small, tmp_path, mix):
    random_model.write(tmp_path / "m.gguf", small, mix)
    for tensor in gguf.GGUFReader(tmp_path / "m.gguf").tensors:
        if len(tensor.shape) == 2:
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            cols = int(tensor.shape[0])
            assert values.std() == pytest.approx(cols**-0.5, rel=0.1), tensor.name
            assert abs(values.mean()) < 0.15 * cols**-0.5, tensor.name  # half a code of Q4_0 is 0.11


def test_a_random_model_is_the_same_bytes_again(small, tmp_path):
    for name in ("a", "b"):
        random_model.write(tmp_path / name, small, "Q4_K_M")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.skipif(not GEMMA.exists(), reason="needs scripts/fetch_models.py gemma3")
def test_the_layers_with_more_bits_are_those_of_a_real_mix():
    """A file that llama.cpp quantised as Q4_K_M says which layers' ffn_down got Q6_K."""
    command = [BINARY, "inspect", GEMMA, "--format", "json"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    types = {tensor["name"]: tensor["type"] for tensor in said["tensors"]}
    down = [types[f"blk.{layer}.ffn_down.weight"] for layer in range(18)]
    assert set(down) == {"Q4_K", "Q6_K"}
    for layer, kind in enumerate(down):
        assert random_model.more_bits(layer, 18) == (kind == "Q6_K"), layer


@pytest.mark.parametrize(("kind", "levels"), [("Q4_0", 7), ("Q8_0", 127)])
def test_requantising_changes_the_main_type_alone(small, tmp_path, kind, levels):
    random_model.write(tmp_path / "before.gguf", small, "Q4_1")
    requantise.write(tmp_path / "before.gguf", kind, tmp_path / "after.gguf")
    before, after = gguf.GGUFReader(tmp_path / "before.gguf"), gguf.GGUFReader(tmp_path / "after.gguf")
    for key in before.fields.keys() | after.fields.keys():
        same = before.fields[key].contents() == after.fields[key].contents()
        assert same or key == "general.file_type", key
    changed = []
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.name, list(old.shape)) == (new.name, list(new.shape))
        if old.tensor_type != gguf.GGMLQuantizationType.Q4_1:
            assert (old.tensor_type, old.data.tobytes()) == (new.tensor_type, new.data.tobytes())
            continue
        changed.append(new.tensor_type.name)
        values = gguf.dequantize(old.data, old.tensor_type)
        again = gguf.dequantize(new.data, new.tensor_type)
        assert np.abs(again - values).max() <= np.abs(values).max() / levels
    assert changed == [kind] * 15  # seven matrices of each layer, and the embedding
