"""What pellucid does with what it cannot use: from the command line, one process a case.

The rule (ARCHITECTURE.md, interfaces): a failure is exit code 1, one line `pellucid: error: WHAT: WHY` on
stderr and nothing on stdout; wrong usage is exit code 2 with nothing on stdout. Never a signal, never a hang.
"""

import json
import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tiny_model

ROOT = Path(__file__).parents[2]
BINARY = os.environ.get("PELLUCID_BINARY") or ROOT / "build/release/src/cli/pellucid"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid/models"
REAL_MODEL = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"

CPU_SECONDS = 2  # of a refusal; processor time, so that a busy machine changes nothing
HANG_SECONDS = 30
ERROR_LINE = re.compile(r"pellucid: error: [^\n]+: [^\n]+\n")


@dataclass
class Ended:
    code: int  # negative: killed by that signal
    out: bytes
    err: str
    cpu_seconds: float


def pellucid(*arguments, stdin: bytes = b"", env=None, stdout=subprocess.PIPE) -> Ended:
    """Runs the program to its end. A hang fails the test."""
    process = subprocess.Popen(
        [BINARY, *map(os.fspath, arguments)],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | (env or {}),
    )
    killer = threading.Timer(HANG_SECONDS, process.kill)
    killer.start()
    before = os.times()
    out, err = process.communicate(stdin)
    after = os.times()
    killer.cancel()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return Ended(process.returncode, out or b"", err.decode(), used)


def assert_failed(ended: Ended, *words: str) -> None:
    assert ended.code == 1, ended
    assert ERROR_LINE.fullmatch(ended.err), ended
    assert ended.out == b""
    assert ended.cpu_seconds < CPU_SECONDS
    for word in words:
        assert word in ended.err


def assert_usage(ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended
    assert ended.err != ""
    assert ended.out == b""
    assert ended.cpu_seconds < CPU_SECONDS
    for word in words:
        assert word in ended.err.replace("_", "-"), ended


def assert_refused(ended: Ended, *words: str) -> None:
    """Either of the two, where the contract leaves open whether an argument or its meaning is at fault."""
    (assert_usage if ended.code == 2 else assert_failed)(ended, *words)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture
def file(tmp_path):
    """Writes bytes to a file that is named like a model."""

    def write(content: bytes) -> Path:
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return path

    return write


def generate(model: Path, *more) -> Ended:
    return pellucid("generate", "the", "-m", model, "-n", "2", *more)


# --- the tests' own footing ---------------------------------------------------------------------------------


def test_the_tiny_model_itself_is_fine(tiny):
    ended = generate(tiny, "--format", "json")
    assert (ended.code, ended.out[:1]) == (0, b"{"), ended


# --- files that are no models -------------------------------------------------------------------------------

NOT_MODELS = {
    "empty": (b"", "empty"),
    "three bytes": (b"GGU", "truncated"),
    "magic only": (b"GGUF", "truncated"),
    "text": (b"once upon a time\n" * 100, "GGUF"),
    "zeros": (b"\0" * 4096, "GGUF"),
    "zip": (b"PK\x03\x04" + b"\0" * 4096, "zip"),
    "pickle": (b"\x80\x02}q\0." + b"\0" * 4096, "pickle"),
    "safetensors": ((2).to_bytes(8, "little") + b"{}" + b" " * 100, "safetensors"),
    "version 0": (b"GGUF" + (0).to_bytes(4, "little") + b"\0" * 16, "version"),
    "version 1": (b"GGUF" + (1).to_bytes(4, "little") + b"\0" * 16, "version 1"),
    "version 99": (b"GGUF" + (99).to_bytes(4, "little") + b"\0" * 16, "99"),
    "big-endian": (b"GGUF" + (3).to_bytes(4, "big") + b"\0" * 16, "big-endian"),
    "counts beyond the file": (b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16, ""),
    "nothing inside": (b"GGUF" + (3).to_bytes(4, "little") + b"\0" * 16, ""),
}


@pytest.mark.parametrize("case", NOT_MODELS)
def test_a_file_that_is_no_model(file, case):
    content, word = NOT_MODELS[case]
    assert_failed(generate(file(content)), word)


def test_a_missing_file_and_a_directory(tmp_path):
    assert_failed(generate(tmp_path / "gone.gguf"), "gone.gguf")
    assert_failed(generate(tmp_path), tmp_path.name)
    assert_failed(generate(tmp_path / ("n" * 300)))


def test_a_name_that_is_no_model_in_the_cache(tmp_path):
    ended = pellucid("generate", "the", "-m", "no-such-model", env={"XDG_CACHE_HOME": str(tmp_path)})
    assert_failed(ended, "no-such-model")


def test_the_default_model_where_the_cache_is_empty(tmp_path):
    assert_failed(pellucid("generate", "the", env={"XDG_CACHE_HOME": str(tmp_path)}))


def test_special_files(tmp_path):
    fifo = tmp_path / "fifo.gguf"
    os.mkfifo(fifo)
    assert_failed(generate(fifo), "fifo.gguf")
    assert_failed(generate(Path("/dev/null")))
    assert_failed(generate(Path("/dev/zero")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(file):
    path = file(b"GGUF")
    path.chmod(0)
    assert_failed(generate(path))


@pytest.mark.parametrize(
    "command",
    ["generate", "chat", "explain", "tokenize", "logits", "perplexity", "inspect", "bench"],
)
def test_every_command_refuses_a_file_that_is_no_model(file, tmp_path, command):
    text = tmp_path / "text.txt"
    text.write_text("once upon a time\n" * 100)
    more = {"logits": ["the", "-o", tmp_path / "out.npy"], "perplexity": [text]}
    more |= {"inspect": [], "bench": [], "chat": []}
    path = file(b"PK\x03\x04" + b"\0" * 100)
    model = [path] if command == "inspect" else ["-m", path]
    assert_failed(pellucid(command, *more.get(command, ["the"]), *model), "zip")


# --- models with one defect ---------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="needs scripts/fetch_models.py smollm2")
def test_a_real_model_cut_anywhere(tmp_path):
    """From the end of the file down to its first bytes, 40 cuts: half of them in the metadata."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(REAL_MODEL.read_bytes())
    size = path.stat().st_size
    cuts = [size - 64, *(size * n // 20 for n in range(1, 20)), *(2 ** (n + 1) + n for n in range(20))]
    for cut in sorted(cuts, reverse=True):
        os.truncate(path, cut)
        assert_failed(generate(path))


def test_a_tiny_model_cut_anywhere(tiny, tmp_path):
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny.read_bytes())
    size = path.stat().st_size
    for cut in sorted((size * n // 25 for n in range(25)), reverse=True):
        os.truncate(path, cut)
        assert_failed(pellucid("tokenize", "the", "-m", path))


def test_an_architecture_that_is_not_supported_is_named(tmp_path):
    path = tiny_model.write(tmp_path / "m.gguf", architecture="mamba")
    assert_failed(generate(path), "mamba", "llama")


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.ffn_down.weight", "output_norm.weight"])
def test_a_missing_tensor_is_named(tmp_path, name):
    assert_failed(generate(tiny_model.write(tmp_path / "m.gguf", without=[name])), name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blk.0.attn_q.weight", (32, 64)),
        ("blk.0.attn_k.weight", (31, 32)),
        ("blk.1.ffn_up.weight", (32, 64)),
        ("blk.1.ffn_norm.weight", (31,)),
        ("output_norm.weight", (2, 32)),
        ("blk.0.attn_v.weight", (2, 32, 32)),
    ],
)
def test_wrong_dimensions_are_named(tmp_path, name, shape):
    path = tiny_model.write(tmp_path / "m.gguf", change={name: np.ones(shape, np.float32)})
    assert_failed(generate(path), name)


def test_more_embeddings_than_tokens(tmp_path):
    change = {"token_embd.weight": np.ones((300, tiny_model.N_EMBD), np.float32)}
    assert_failed(generate(tiny_model.write(tmp_path / "m.gguf", change=change)))


def test_a_tensor_of_integers(tmp_path):
    change = {"blk.0.attn_q.weight": np.ones((32, 32), np.int32)}
    assert_failed(generate(tiny_model.write(tmp_path / "m.gguf", change=change)), "I32")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path, value):
    change = {"blk.0.attn_norm.weight": np.full(tiny_model.N_EMBD, value, np.float32)}
    assert_failed(generate(tiny_model.write(tmp_path / "m.gguf", change=change)), "blk.0.attn_norm.weight")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_count", None),
        ("block_count", 0),
        ("block_count", 2**32 - 1),
        ("block_count", 1),
        ("block_count", 3),
        ("embedding_length", 64),
        ("embedding_length", 2**31),
        ("feed_forward_length", 0),
        ("attention.head_count", 0),
        ("attention.head_count", 3),
        ("attention.head_count_kv", 2**31),
        ("context_length", 0),
        ("rope.dimension_count", 3),
        ("rope.dimension_count", 2**30),
    ],
)
def test_hyperparameters_that_cannot_be(tmp_path, key, value):
    assert_failed(generate(tiny_model.write(tmp_path / "m.gguf", settings={key: value})))


# --- usage --------------------------------------------------------------------------------------------------


def test_unknown_words(tiny):
    assert_usage(pellucid("sing"), "'sing' is not a command")
    assert_usage(pellucid(), "a command is missing")
    assert_usage(pellucid("--no-such-option"), "--no-such-option")
    assert_usage(generate(tiny, "--no-such-option"), "--no-such-option")
    assert_usage(generate(tiny, "--format", "xml"), "'xml' is not one of text, json")
    assert_usage(generate(tiny, "--format", "1"), "'1' is not one of text, json")
    assert_usage(pellucid("generate", "the", "-m"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--temperature", "-0.1"),
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--temperature", "hot"),
        ("--temperature", ""),
        ("--top-k", "-1"),
        ("--top-k", "1.5"),
        ("--top-k", "99999999999999999999"),
        ("--top-p", "1.5"),
        ("--top-p", "-0.5"),
        ("--top-p", "nan"),
        ("--guidance-scale", "-1"),
        ("--guidance-scale", "1e9"),
        ("--guidance-scale", "nan"),
        ("--guidance-scale", "inf"),
        ("--seed", "many"),
        ("--seed", "-1"),
        ("--seed", "18446744073709551616"),
        ("--threads", "-1"),
        ("--threads", "100000000"),
        ("--ctx", "-5"),
        ("--ctx", "8k9"),
        ("-n", "-1"),
        ("-n", "1e99"),
    ],
)
def test_settings_out_of_range_are_named(tiny, option, value):
    joined = f"{option}={value}" if option.startswith("--") else f"{option}{value}"
    assert_usage(generate(tiny, joined), {"-n": "max-tokens"}.get(option, option.lstrip("-")))


WHOLE = r"pellucid: error: wrong usage: (--\S+): '(.*)' is not a whole number between \d+ and \d+ \(see .*\)\n"


@pytest.mark.parametrize("value", ["-1", "1.5", "1e3", "0x10", "many", " 1", "99999999999999999999", "0,99999999999"])
@pytest.mark.parametrize(
    "options",
    [
        ("generate", "--seed", "--threads", "--ctx", "--batch", "--max-tokens", "--beams", "--best"),
        ("explain", "--steps", "--top", "--width", "--beams"),
        ("bench", "--prompt", "--depth", "--sequences", "--gen", "--repeats", "--threads"),
        ("perplexity", "--window"),
        ("chat", "--max-tokens"),
    ],
    ids=lambda options: options[0],
)
def test_what_is_no_count_is_refused_in_plain_words(options, value):
    """No template of the options' library, such as a range with 309 digits."""
    command, *names = options
    for name in names:
        ended = pellucid(command, f"{name}={value}")
        assert_usage(ended)
        said = re.fullmatch(WHOLE, ended.err)
        assert said and said[1] == name and said[2] in (value, *value.split(",")), ended


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "the", "--top-k", "7\n\x1b[31m"),
        ("generate", "the", "--threads", "7\n\x1b[31m"),
        ("generate", "the", "--dialect", "7\n\x1b[31m"),
        ("generate", "the", "-m", "7\n\x1b[31m"),
        ("explain", "--logits", "7\n\x1b[31m"),
        ("detokenize", "7\n\x1b[31m"),
        ("replay", "7\n\x1b[31m"),
        ("7\n\x1b[31m",),
    ],
    ids=lambda words: "-".join(words[:-1]) or "none",
)
def test_a_value_in_an_error_is_quoted_on_one_line(words):
    ended = pellucid(*words)
    assert_refused(ended)
    assert ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended
    assert r"\x1b[31m" in ended.err, ended


def test_a_count_is_decimal(tiny):
    ended = pellucid("generate", "the", "-m", tiny, "-n", "010", "--ignore-eos", "--format", "json", "--seed", "1")
    assert len(json.loads(ended.out)["tokens"]) == 10


def test_options_that_would_be_ignored_are_refused(tiny, tmp_path):
    assert_usage(generate(tiny, "--system", "Be brief."), "--system requires --chat")
    assert_usage(generate(tiny, "--now", "2026-01-02T03:04:05"), "--now requires --chat")
    assert_usage(generate(tiny, "--negative-prompt", "a"), "--negative-prompt: without --guidance-scale")
    assert_usage(pellucid("logits", "the", "--tokens", "1", "-o", tmp_path / "out.npy"), "excludes --tokens")
    assert_usage(pellucid("explain", "--logits", "1,2", "--steps", "2"), "--steps", "excludes", "--logits")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--logits", ""],
        ["--logits", "1,two,3"],
        ["--logits", "1,,3"],
        ["--logits", "1,nan,3"],
        ["--logits", "1,inf,3"],
        ["--logits", "1,2,3", "--labels", "a,b"],
        ["--logits", "1,2,3", "--draw", "1.5"],
        ["--logits", "1,2,3", "--draw=-0.5"],
        ["--logits", "1,2,3", "--draw", "nan"],
        ["--logits", "1,2,3", "--top-p", "2"],
    ],
)
def test_explain_with_logits_that_cannot_be(arguments):
    assert_refused(pellucid("explain", *arguments))


def test_a_simd_level_that_does_not_exist(tiny):
    ended = pellucid("generate", "the", "-m", tiny, "-n", "1", env={"PELLUCID_SIMD": "mmx"})
    assert_refused(ended, "mmx")


@pytest.mark.parametrize("kind, named", [("q4_0", "kv-type"), ("q8_0", "heads have 16 values")])
def test_a_kv_cache_that_cannot_be(tiny, kind, named):
    assert_refused(pellucid("generate", "the", "-m", tiny, "-n", "1", "--kv-type", kind), named)


# --- prompts and tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["99999999", "261", "-1", "4294967296", "99999999999999999999", "a"])
def test_ids_outside_the_vocabulary(tiny, identifier):
    assert_refused(pellucid("detokenize", "-m", tiny, "--", identifier))


def test_an_empty_prompt(tiny):
    assert_refused(pellucid("generate", "", "-m", tiny), "prompt", "empty")
    assert_refused(pellucid("generate", "-m", tiny, stdin=b""), "prompt", "empty")


def test_an_empty_stop_string(tiny):
    assert_usage(generate(tiny, "--stop", ""), "stop string", "empty")
    assert_usage(generate(tiny, "--stop", "a", "--stop", ""), "stop string", "empty")


def test_a_text_shorter_than_one_window(tiny, tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("the")
    assert_failed(pellucid("perplexity", text, "-m", tiny), "too short", "512 tokens", "has 3")
    assert_usage(pellucid("perplexity", text, "-m", tiny, "--window", "3"), "--window")


def test_a_prompt_that_does_not_fit_the_context(tiny):
    ended = pellucid("generate", "z" * 20, "-m", tiny, "-n", "1", "--ctx", "8")
    assert_failed(ended, "21", "8")  # 20 bytes and the beginning of text


def test_a_prompt_longer_than_the_model_s_own_context(tiny):
    ended = pellucid("generate", "-m", tiny, "-n", "1", stdin=b"z" * 100_000)
    assert_failed(ended, "100001", str(tiny_model.N_CTX))


def test_bytes_that_are_no_text_go_through(tiny):
    ended = pellucid("generate", "-m", tiny, "-n", "1", stdin=b"\xff\xfe\0\xc3(\xed\xa0\x80\xf4\x90\x80\x80")
    assert (ended.code, ended.err.count("error")) == (0, 0), ended


# --- outputs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["no-folder/out.npy", ".", "full.npy"])
def test_a_file_that_cannot_be_written(tiny, tmp_path, target):
    (tmp_path / "full.npy").symlink_to("/dev/full")
    assert_failed(pellucid("logits", "the", "-m", tiny, "-o", tmp_path / target))


def test_a_device_is_written_to_and_never_replaced(tiny, tmp_path):
    fifo = tmp_path / "fifo.npy"
    os.mkfifo(fifo)
    received = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    ended = pellucid("logits", "the", "-m", tiny, "-o", fifo)
    reader.join(HANG_SECONDS)
    assert ended.code == 0, ended
    assert received[0].startswith(b"\x93NUMPY")
    assert fifo.is_fifo()


def test_a_link_is_followed_and_never_replaced(tiny, tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    for target in ("old", "new"):
        link = tmp_path / f"to-{target}"
        link.symlink_to(target)
        assert pellucid("logits", "the", "-m", tiny, "-o", link).code == 0
        assert link.is_symlink()
        assert (tmp_path / target).read_bytes().startswith(b"\x93NUMPY")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "to-new", "to-old"]


@pytest.mark.parametrize("arguments", [["tokenize", "the"], ["--help"], ["--version"], ["chat", "--help"]])
def test_a_full_disk_behind_stdout(tiny, arguments):
    if arguments[0] == "tokenize":
        arguments = [*arguments, "-m", tiny]
    with open("/dev/full", "wb") as full:
        ended = pellucid(*arguments, stdout=full)
    assert ended.code == 1, ended
    assert ERROR_LINE.fullmatch(ended.err), ended


def test_a_reader_that_goes_away(tiny):
    """`pellucid generate ... | head -c 1`: the end is quiet and soon, however a broken pipe is taken."""
    command = [BINARY, "generate", "the", "-m", tiny, "-n", "100", "--temperature", "1", "--seed", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read().decode()
    code = process.wait(HANG_SECONDS)
    assert code in (0, 1, 128 + signal.SIGPIPE, -signal.SIGPIPE)
    assert len(err.splitlines()) <= 1
