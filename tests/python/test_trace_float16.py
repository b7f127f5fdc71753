"""Traces whose logits are stored as float16: half the bytes, and a what-if that says what rounding did."""

import json
import re

import numpy as np
import pytest
from test_bad_input import assert_failed, assert_usage, pellucid
from test_trace import SCHEMA, good, model, record, records, rewrite, steps, xxh64  # noqa: F401 (model is a fixture)

F16 = ["--trace-logits-type", "f16"]


def halves(folder, n_vocab: int) -> np.ndarray:
    return np.fromfile(folder / "run.f32", "<f2").reshape(-1, n_vocab)


def test_the_file_holds_the_nearest_halves(model, tmp_path):
    folders = [tmp_path / "f32", tmp_path / "f16"]
    for folder, options in zip(folders, ([], F16), strict=True):
        folder.mkdir()
        record(model, folder, *options)
    header, *_ = records(folders[1] / "run.jsonl")
    assert header["logits"]["type"] == "float16"
    n_vocab = header["model"]["n_vocab"]
    whole = np.fromfile(folders[0] / "run.f32", "<f4").reshape(-1, n_vocab)
    stored = halves(folders[1], n_vocab)
    assert np.array_equal(stored, whole.astype("<f2"))
    for each in records(folders[1] / "run.jsonl"):
        SCHEMA.validate(each)
    for row, (step, plain) in enumerate(zip(steps(folders[1] / "run.jsonl"), steps(folders[0] / "run.jsonl"), strict=True)):
        assert step["logits_row"] == row and step["logits_hash"] == plain["logits_hash"]
        assert step["stored_hash"] == xxh64(stored[row].tobytes()) and "stored_hash" not in plain
        assert step["draw"] == plain["draw"]


def test_replay_branch_and_tree_do_not_care(model, tmp_path):
    trace = record(model, tmp_path, *F16)
    good(pellucid("replay", trace))
    good(pellucid("branch", trace, "--at", "5", "--seed", "3", "--trace-logits", tmp_path / "run.f32"))
    assert [step["logits_row"] for step in steps(trace, 1)] == list(range(24, 24 + 19))
    good(pellucid("what-if", trace, "--branch", "1", "--set", "top_p=0.5"))
    good(pellucid("tree", trace))


def test_what_if_says_that_it_works_on_rounded_logits(model, tmp_path):
    """At a low temperature nothing hangs on the rounding; at the usual one a draw of this flat model does."""
    for options in (["--temperature", "0"], []):
        trace = record(model, tmp_path, *options, *F16)
        result = json.loads(good(pellucid("what-if", trace, "--set", "top_k=20", "--format", "json")))
        away = result["rounded_away"]
        assert result["logits_type"] == "float16" and bool(away) == (not options)
        said = f"the recorded draw but at step {away[0]}:" if away else "every recorded draw."
        shown = " ".join(good(pellucid("what-if", trace, "--set", "top_k=20")).split())
        assert f"stored rounded to float16. With the recorded settings they give {said}" in shown
    folder = tmp_path / "whole"
    folder.mkdir()
    plain = json.loads(good(pellucid("what-if", record(model, folder), "--set", "top_p=0.5", "--format", "json")))
    assert plain["logits_type"] == "float32" and "rounded_away" not in plain
    assert "rounded" not in good(pellucid("what-if", folder / "run.jsonl", "--set", "top_p=0.5"))


def test_draws_that_rounding_changes_are_named(model, tmp_path):
    """All logits of a step made equal, as rounding might make two: another token is drawn."""
    trace = record(model, tmp_path, "--top-p", "1", *F16)
    rows = halves(tmp_path, records(trace)[0]["model"]["n_vocab"])
    rows[4] = rows[9] = 0
    rows.tofile(tmp_path / "run.f32")
    edited = records(trace)
    for step in (4, 9):
        edited[1 + step]["stored_hash"] = xxh64(rows[step].tobytes())
    rewrite(trace, edited)
    drawn = [step["draw"]["token"] for step in steps(trace)]
    away = [step for step in (4, 9) if drawn[step] != int(steps(trace)[step]["draw"]["u"] * 50)]
    assert away  # of 50 equal ones, in order of id, u finds this one
    result = json.loads(good(pellucid("what-if", trace, "--set", "top_k=40", "--format", "json")))
    assert result["rounded_away"] == away
    shown = " ".join(good(pellucid("what-if", trace, "--set", "top_k=40")).split())
    assert re.search(rf"but at steps? {', '.join(map(str, away))}: what is another there may be the rounding's", shown)


def test_hostile_float16(model, tmp_path):
    trace = record(model, tmp_path, *F16)
    n_vocab = records(trace)[0]["model"]["n_vocab"]
    good_bytes, good_records = (tmp_path / "run.f32").read_bytes(), records(trace)
    asked = ["what-if", trace, "--seed", "1"]
    (tmp_path / "run.f32").write_bytes(good_bytes[: n_vocab * 2 * 3 + 1])
    assert_failed(pellucid(*asked), "there is no row 3")
    (tmp_path / "run.f32").write_bytes(good_bytes[:-2] + b"\0\0")
    assert_failed(pellucid(*asked), "row 23 is not the one that the trace recorded")
    for bad, words in ((np.float16(np.nan), "NaN"), (np.float16(np.inf), "infinity"), (np.float16(-np.inf), "-infinity")):
        rows = np.frombuffer(good_bytes, "<f2").reshape(-1, n_vocab).copy()
        rows[2] = bad
        rows.tofile(tmp_path / "run.f32")
        edited = json.loads(json.dumps(good_records))
        edited[3]["stored_hash"] = xxh64(rows[2].tobytes())
        rewrite(trace, edited)
        assert_failed(pellucid(*asked), words)
    (tmp_path / "run.f32").write_bytes(good_bytes)
    for change, words in (
        ({"type": "float8"}, "logits.type is neither float32 nor float16"),
        ({"type": "float32"}, "row 0 is not the one"),
        ({"type": 16}, "logits.type"),
    ):
        edited = json.loads(json.dumps(good_records))
        edited[0]["logits"] |= change
        rewrite(trace, edited)
        assert_failed(pellucid(*asked), words)
    for wrong in ("xyz", 3, "0" * 16):
        edited = json.loads(json.dumps(good_records))
        edited[1]["stored_hash"] = wrong
        rewrite(trace, edited)
        assert_failed(pellucid(*asked), "stored_hash" if wrong != "0" * 16 else "row 0 is not the one")


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--trace-logits-type", "f8"], "f8"), (["--trace", "t", "--trace-logits-type", "f16"], "--trace-logits")],
)
def test_wrong_usage(model, tmp_path, options, words):
    assert_usage(pellucid("generate", "the", "-m", model, "-n", "2", *options), words)
