"""Classifier-free guidance by the command line: in explain, in JSON, in traces and all that reads them."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_bad_input import assert_failed, assert_refused, assert_usage, pellucid
from test_trace import SCHEMA, good, model, record, records, rewrite, steps  # noqa: F401 (model is a fixture)

GUIDED = ["--guidance-scale", "2.5", "--negative-prompt", "a thing of"]


def generated(model: Path, *options) -> dict:
    common = ["-m", model, "--seed", "7", "-n", "24", "--format", "json"]
    return json.loads(good(pellucid("generate", "the thing", *common, *options)))


def log_softmax(row: np.ndarray) -> np.ndarray:
    row = row.astype(np.float64)
    return row - row.max() - np.log(np.exp(row - row.max()).sum())


def test_a_trace_has_both_texts_and_their_combination(model, tmp_path):
    trace = record(model, tmp_path, *GUIDED)
    for each in records(trace):
        SCHEMA.validate(each)
    header = records(trace)[0]
    assert header["settings"]["guidance_scale"] == 2.5
    assert header["negative_prompt"] == generated(model, *GUIDED)["negative_prompt_tokens"]
    logits = np.fromfile(tmp_path / "run.f32", "<f4").reshape(-1, header["model"]["n_vocab"])
    assert len(logits) == 2 * len(steps(trace))
    for step in steps(trace):
        assert step["stages"][0]["name"] == "guidance"
        c, u = (log_softmax(logits[row["logits_row"]]) for row in (step, step["unconditional"]))
        scores = u + 2.5 * (c - u)
        best = np.argsort(-scores, kind="stable")[: len(step["candidates"])]
        assert [one["id"] for one in step["candidates"]] == best.tolist()
        assert np.allclose([one["logit"] for one in step["candidates"]], scores[best], atol=1e-5)


@pytest.mark.parametrize("negative", [[], GUIDED[2:]])
def test_replay_branch_and_what_if(model, tmp_path, negative):
    trace = record(model, tmp_path, *GUIDED[:2], *negative)
    assert "24 steps" in good(pellucid("replay", trace, "--threads", "1"))
    other = [*GUIDED[:1], "0.5", *negative]
    again = generated(model, *other)["tokens"]
    result = json.loads(good(pellucid("what-if", trace, "--set", "guidance_scale=0.5", "--format", "json")))
    first = result["first_change"]
    assert first is not None and result["steps"][first]["what_if"]["token"] == again[first]
    plain = json.loads(good(pellucid("what-if", trace, "--set", "guidance_scale=1", "--format", "json")))
    assert plain["steps"][plain["first_change"]]["what_if"]["token"] == generated(model)["tokens"][plain["first_change"]]
    branched = json.loads(good(pellucid("branch", trace, "--at", "0", "--set", "guidance_scale=0.5", "--format", "json")))
    assert branched["tokens"] == again
    plain = json.loads(good(pellucid("branch", trace, "--at", "0", "--set", "guidance_scale=1", "--format", "json")))
    assert plain["tokens"] == generated(model)["tokens"]
    for branch in ("1", "2"):
        good(pellucid("replay", trace, "--branch", branch))


def test_replay_names_another_unconditional_text(model, tmp_path):
    trace = record(model, tmp_path, *GUIDED)
    edited = records(trace)
    edited[0]["negative_prompt"][0] += 1
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "step 0", "hash of the unconditional logits")
    edited[0]["negative_prompt"][0] = 10**6
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "negative_prompt")


def test_what_if_on_rounded_rows_is_nearly_that_on_whole_ones(model, tmp_path):
    probabilities = {}
    for kind in ("f32", "f16"):
        folder = tmp_path / kind
        folder.mkdir()
        trace = record(model, folder, *GUIDED, "--trace-logits-type", kind)
        result = json.loads(good(pellucid("what-if", trace, "--set", "top_k=20", "--format", "json")))
        probabilities[kind] = [step["what_if"]["draw"]["probability"] for step in result["steps"]]
    off = np.abs(np.subtract(probabilities["f32"], probabilities["f16"]))
    assert np.median(off) < 0.01


def test_what_if_needs_both_rows(model, tmp_path):
    plain = record(model, tmp_path)
    assert_failed(pellucid("what-if", plain, "--set", "guidance_scale=2"), "unconditional logits are not stored")


def test_drafts_change_nothing_and_a_scale_of_one_is_the_plain_text(model):
    text = generated(model, *GUIDED)
    assert generated(model, *GUIDED, "--no-speculate", "--threads", "1")["tokens"] == text["tokens"]
    assert text["tokens"] != generated(model)["tokens"] == generated(model, "--guidance-scale", "1")["tokens"]


def test_explain_shows_it(model):
    options = ["-m", model, "--steps", "2", "--seed", "7", *GUIDED]
    shown = good(pellucid("explain", "the thing", *options))
    assert "negative prompt, " in shown and "u + 2.5 (c - u)" in shown
    explained = json.loads(good(pellucid("explain", "the thing", *options, "--format", "json")))
    assert explained["tokens"] == generated(model, *GUIDED)["tokens"][:2]
    assert explained["steps"][0]["stages"][0]["name"] == "guidance"
    assert "guidance" in good(pellucid("explain", "the thing", "-m", model, "--compare", "pellucid,hf", *GUIDED))


def test_samples_are_the_texts_of_their_seeds(model):
    options = ["-m", model, "-n", "12", "--format", "json", *GUIDED, "--ban-phrase", "a,b"]
    together = json.loads(good(pellucid("generate", "the thing", *options, "--seed", "7", "--samples", "3")))
    for seed, choice in zip((7, 8, 9), together["choices"], strict=True):
        alone = json.loads(good(pellucid("generate", "the thing", *options, "--seed", str(seed))))
        assert (choice["tokens"], choice["text"]) == (alone["tokens"], alone["text"])


def test_what_is_refused(model):
    def generate(*options):
        return pellucid("generate", "the", "-m", model, "-n", "2", *options)

    for scale in ("-1", "101", "nan", "inf", "1e30", "much", ""):
        assert_usage(generate(f"--guidance-scale={scale}"), "guidance-scale")
    assert_usage(generate("--negative-prompt", "a"), "--negative-prompt", "without --guidance-scale")
    assert_usage(generate("--guidance-scale", "2", "--order", "top_k,guidance"), "has to be the first")
    assert_usage(generate("--guidance-scale", "2", "--dialect", "llamacpp"), "has to be the first")
    assert_usage(generate("--guidance-scale", "2", "--beams", "2", "--beam-sampling"), "guidance-scale", "no unconditional text")
    assert_usage(pellucid("explain", "--logits", "1,2", "--guidance-scale", "2"), "takes a model")
    assert_usage(pellucid("explain", "--logits", "1,2", "--negative-prompt", "a"), "takes a model")
    assert_refused(generate("--guidance-scale", "2", "--negative-prompt", "the " * 5000), "context")
