"""The engine's logits against an independent float64 forward pass, on tiny models of every architecture and type.

Also the determinism contract through the command line: the same bits at every SIMD level, thread count and batch.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "reference"), str(ROOT / "scripts")]

import compare_taps  # noqa: E402
import tiny_models  # noqa: E402
from forward import Reference  # noqa: E402
from model_file import ModelFile  # noqa: E402

BINARY = os.environ.get("PELLUCID_BINARY") or ROOT / "build/release/src/cli/pellucid"
EXACT = ("--precision", "f32", "--kv-type", "f32")
N_TOKENS = 100  # more than a page of the KV cache, less than the tiny models' context

# Normalised mean squared errors. Each limit is two to four times the largest that the variants showed: 3.2e-12 in
# float32 arithmetic; 2.5e-7 where only keys and values are rounded, to float16; 6.7e-4 where quantised weights
# meet activations rounded to 8 bits (llama.cpp on the same files: up to 1.5e-3).
EXACT_NMSE = 1e-11
NATIVE_NMSE = {"F32": 1e-6, "F16": 1e-6, "BF16": 1e-6}
NATIVE_NMSE_QUANTISED = 1.4e-3
TAP_TOLERANCE = 2e-5  # relative Euclidean distance of a step in float32

LEVELS = {
    "avx2": {"avx2", "fma", "f16c"},
    "avxvnni": {"avx2", "fma", "f16c", "avx_vnni"},
    "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"},
    "amx": {"avx512f", "avx512bw", "avx512vl", "avx512_vnni", "amx_tile", "amx_bf16"},
}


def cpu_flags():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "flags:").split(":")[1].split())


def available_levels():
    return [level for level, needed in LEVELS.items() if needed <= cpu_flags()]


def random_tokens(path):
    """The same ids every time, over the whole vocabulary of a file."""
    n_vocab = ModelFile(path).n_rows("token_embd.weight")
    return np.random.default_rng(7).integers(0, n_vocab, N_TOKENS).tolist()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """tiny(variant, type): the path of a tiny model, written once."""
    folder = tmp_path_factory.mktemp("tiny")

    def path_of(variant, kind):
        path = folder / f"{variant}.{kind}.gguf"
        if not path.exists():
            tiny_models.write(path, variant, kind)
        return path

    return path_of


def engine_logits(path, tokens, output, *flags, simd=None):
    """Float32 [tokens, vocabulary] from the command line."""
    ids = ",".join(map(str, tokens))
    environment = dict(os.environ, **({"PELLUCID_SIMD": simd} if simd else {}))
    command = [BINARY, "logits", "-m", path, "--tokens", ids, "-o", output, *flags]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{ended.stderr}\n{command}"
    return np.load(output)


def nmse(reference, values):
    assert values.shape == reference.shape
    return float(np.sum((values - reference) ** 2) / np.sum(reference**2))


@pytest.mark.parametrize("kind", tiny_models.TYPES)
@pytest.mark.parametrize("variant", tiny_models.VARIANTS)
def test_logits(tiny, tmp_path, variant, kind):
    path = tiny(variant, kind)
    tokens = random_tokens(path)
    reference = Reference(ModelFile(path)).logits(tokens)
    exact = engine_logits(path, tokens, tmp_path / "exact.npy", *EXACT)
    assert exact.dtype == np.float32
    assert nmse(reference, exact) <= EXACT_NMSE
    native = nmse(reference, engine_logits(path, tokens, tmp_path / "native.npy"))
    assert native <= NATIVE_NMSE.get(kind, NATIVE_NMSE_QUANTISED)


@pytest.mark.parametrize("variant", tiny_models.VARIANTS)
def test_every_step(tiny, tmp_path, variant):
    path = tiny(variant, "F32")
    tokens, steps = random_tokens(path), {}
    Reference(ModelFile(path)).logits(tokens, steps)
    engine_logits(path, tokens, tmp_path / "logits.npy", *EXACT, "--tap", tmp_path / "steps.tap")
    taps = compare_taps.read_tap(tmp_path / "steps.tap")
    assert set(steps) <= set(taps)
    wrong = [step for step in compare_taps.compare(steps, taps) if step[1] > TAP_TOLERANCE]
    assert not wrong, f"the first of {len(wrong)} steps that differ: {wrong[0]}"


EVERY_TYPE = [("llama", kind) for kind in tiny_models.TYPES]
EVERY_VARIANT = [(variant, kind) for variant in tiny_models.VARIANTS for kind in ("F32", "Q4_K")]


@pytest.mark.parametrize(("variant", "kind"), sorted(set(EVERY_TYPE + EVERY_VARIANT)))
def test_same_bits_at_every_simd_level(tiny, tmp_path, variant, kind):
    path = tiny(variant, kind)
    tokens = random_tokens(path)
    scalar = engine_logits(path, tokens, tmp_path / "scalar.npy", simd="scalar")
    for level in available_levels():
        values = engine_logits(path, tokens, tmp_path / "level.npy", simd=level)
        assert values.tobytes() == scalar.tobytes(), level


@pytest.mark.parametrize("variant", tiny_models.VARIANTS)
def test_same_bits_at_every_thread_count_and_batch(tiny, tmp_path, variant):
    for kind in ("F32", "Q4_1", "Q6_K"):
        path = tiny(variant, kind)
        tokens = random_tokens(path)
        base = engine_logits(path, tokens, tmp_path / "base.npy", "--threads", "1")
        for flags in (
            ("--threads", "2"),
            ("--threads", "5"),
            ("--batch", "1"),
            ("--batch", "7", "--threads", "2"),
        ):
            values = engine_logits(path, tokens, tmp_path / "other.npy", *flags)
            assert values.tobytes() == base.tobytes(), f"{kind} with {' '.join(flags)}"
