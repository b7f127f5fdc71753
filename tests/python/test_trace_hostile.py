"""Traces that nobody should have written, and places where none should be written."""

import re
from pathlib import Path

import pytest
from test_bad_input import assert_failed, assert_usage, pellucid
from test_trace import SCHEMA, good, model, record, records, rewrite  # noqa: F401 (model is a fixture)


def test_traces_are_not_written_over_what_is_in_use(model, tmp_path):
    def generate(*more):
        return pellucid("generate", "the", "-m", model, "-n", "2", *more)

    before = model.read_bytes()
    assert_usage(generate("--trace", model), "--trace", "model")
    assert_usage(generate("--trace", tmp_path / "t", "--trace-logits", model), "--trace-logits", "model")
    assert_usage(generate("--trace", tmp_path / "t", "--trace-logits", tmp_path / "t"), "--trace-logits")
    assert_usage(generate("--trace-logits", tmp_path / "t"), "--trace")
    assert_usage(generate("--trace", tmp_path / "t", "--stop", b"\xff"), "--trace", "UTF-8")
    assert_failed(generate("--trace", tmp_path / "none" / "t"), "none/t")
    trace = record(model, tmp_path)
    for output, words in ((model, "model"), (tmp_path / "run.f32", "logits")):
        assert_usage(pellucid("branch", trace, "-m", model, "--at", "1", "--seed", "3", "-o", output), "--output", words)
    assert_usage(pellucid("plot", trace, "-o", tmp_path / "run.f32"), "--output", "logits")
    good(pellucid("what-if", trace, "--set", "top_k=9"))
    assert_failed(generate("--trace", tmp_path), str(tmp_path))
    assert model.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_ends_a_traced_run(model):
    assert_failed(pellucid("generate", "the", "-m", model, "-n", "2", "--trace", "/dev/full"), "/dev/full")


BAD = {
    "empty": (lambda text: b"", "line 1:"),
    "garbage": (lambda text: bytes(range(256)) * 40, "line 1:"),
    "another file": (lambda text: b'{"a": 1}\n' + text, "line 1: record is missing"),
    "no header": (lambda text: text.split(b"\n", 1)[1], "line 1: a trace begins with a header"),
    "two headers": (lambda text: text.split(b"\n")[0] + b"\n" + text, "line 2: there is a header before"),
    "cut": (lambda text: text[: text.index(b'":', len(text) // 2) + 2], "no JSON: incomplete JSON"),  # after a name
    "a step left out": (lambda text: b"\n".join(text.split(b"\n")[:3] + text.split(b"\n")[4:]), "line 4: step is 3"),
    "a step twice": (lambda text: text.replace(b'"step":2,', b'"step":1,'), "line 4: step is 1"),
    "a newer format": (lambda text: re.sub(rb'"version":"1[.]\d+"', b'"version":"9.0"', text, count=1), "line 1: version"),
    "deep nesting": (lambda text: b"[" * 100000 + text, "line 1: no JSON: too deep"),
    "a token too many": (lambda text: text.replace(b'"token":', b'"token":99999', 1), "line 2: token is"),
    "a huge number": (lambda text: text.replace(b'"ms":', b'"ms":1e999', 1), "line 2: no JSON"),
    "a setting": (lambda text: text.replace(b'"top_p":9.5E-1', b'"top_p":9.5'), "line 1: setting top_p"),
    "a rank that cannot be": (lambda text: text.replace(b'"rank":', b'"rank":99999', 1), "line 2: "),
    "a prediction that is none": (lambda text: re.sub(rb'"prediction":', b'"prediction":1,"x":', text, count=1), "line 2: prediction is"),
    "an entropy below none": (lambda text: text.replace(b'"final_entropy_bits":', b'"final_entropy_bits":-', 1), "line 2: final_entropy_bits"),
    "half a character": (lambda text: text.replace(b'"piece":"', b'"piece":"\xc3', 1), "line 2: no JSON"),
    "a null byte": (lambda text: text.replace(b"{", b"\0{", 1), "line 1: no JSON"),
}


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("command", [["replay"], ["tree"], ["plot"], ["what-if", "--seed", "1"], ["branch", "--at", "1", "--seed", "1"]])
def test_a_bad_trace_is_refused_with_its_line(model, tmp_path, how, command):
    damage, words = BAD[how]
    trace = record(model, tmp_path, tokens=8)
    damaged = damage(trace.read_bytes())
    trace.write_bytes(damaged)
    assert_failed(pellucid(command[0], trace, *command[1:]), str(trace), words)
    assert trace.read_bytes() == damaged


def test_no_trace_at_all(tmp_path):
    assert_failed(pellucid("replay", tmp_path / "none"), "cannot open the trace", "No such file")
    assert_failed(pellucid("tree", tmp_path), str(tmp_path))
    assert_usage(pellucid("tree"), "trace")


def test_a_trace_cannot_make_branch_write_elsewhere(model, tmp_path):
    trace = record(model, tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    edited = records(trace)
    edited[0]["logits"]["path"] = str(victim)
    rewrite(trace, edited)
    good(pellucid("branch", trace, "--at", "1", "--seed", "1"))
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("machine", {"ctx": 100000}, "does not fit its model"),
        ("model", {"n_vocab": 300}, "does not fit its model"),
        ("prompt", {"tokens": [5] * 200}, "the context holds"),
        ("settings", {"allowed_tokens": [1], "suppress_tokens": [1]}, "rules out every token"),
    ],
)
def test_a_header_that_cannot_be(model, tmp_path, field, value, words):
    trace = record(model, tmp_path, tokens=3)
    edited = records(trace)
    edited[0][field] |= value
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), words)


def test_thousands_of_branches_are_drawn(model, tmp_path):
    trace = record(model, tmp_path, tokens=3)
    header, step, *_ = records(trace)
    lines = records(trace)
    for branch in range(1, 3000):  # each leaves the one before: as deep as it goes
        options = {key: header[key] for key in SCHEMA.schema["$defs"]["options"]["required"]}
        lines.append(options | {"record": "branch", "branch": branch, "parent": branch - 1, "at": 0, "take": []})
        lines.append(step | {"branch": branch})
    rewrite(trace, lines)
    drawn = good(pellucid("tree", trace, env={"COLUMNS": "40"}))
    assert max(map(len, drawn.splitlines())) <= 40
    good(pellucid("replay", trace, "--branch", "2999"))


def test_terminals_are_safe_from_what_a_trace_says(model, tmp_path):
    trace = record(model, tmp_path, tokens=4)
    edited = records(trace)
    edited[0]["prompt"]["text"] = "\x1b[2J\x07"
    edited[1]["piece"] = "\x1b]0;owned\x07"
    edited[-1]["finish_reason"] = "\x1b[31m"
    edited[2]["candidates"][0]["piece"] = "\x1b[2J"
    edited[2]["stages"][0]["name"] = "\x1b[2J"
    rewrite(trace, edited)
    outputs = [pellucid("tree", trace), pellucid("what-if", trace, "--seed", "3"), pellucid("replay", trace)]
    assert all("\x1b" not in ended.out.decode() + ended.err for ended in outputs)
