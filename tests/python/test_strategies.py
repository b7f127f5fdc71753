"""Several texts of one prompt, and log-probabilities, beside numpy's and beside what each seed gives alone."""

import json

import numpy as np
import pytest
from test_bad_input import REAL_MODEL, assert_usage, pellucid
from test_trace import good

pytestmark = pytest.mark.skipif(not REAL_MODEL.exists(), reason="the model has not been fetched")

PROMPT = "The capital of France is"
SETTINGS = ["--temperature", "1.4", "--top-k", "30", "--top-p", "0.9", "--repetition-penalty", "1.2"]


def generated(*options) -> dict:
    return json.loads(good(pellucid("generate", PROMPT, "--format", "json", *map(str, options))))


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


@pytest.fixture(scope="module")
def text():
    """A text with its logits: those of all positions of prompt and text, run as one prompt."""
    return generated("-n", 12, "--seed", 7, *SETTINGS)


@pytest.fixture(scope="module")
def rows(text, tmp_path_factory):
    file = tmp_path_factory.mktemp("logits") / "all.npy"
    ids = ",".join(map(str, text["prompt_tokens"] + text["tokens"]))
    good(pellucid("logits", "--tokens", ids, "-o", str(file)))
    return np.load(file)


def check_raw(position, logits, token):
    expected = log_softmax(logits)
    best = np.lexsort((np.arange(len(expected)), -logits))[:5]
    assert position["id"] == token
    assert position["logprob"] == pytest.approx(expected[token], abs=1e-12)
    assert position["rank"] == 1 + np.flatnonzero(np.lexsort((np.arange(len(logits)), -logits)) == token)[0]
    assert [one["id"] for one in position["top_logprobs"]] == best.tolist()
    for one in position["top_logprobs"]:
        assert one["logprob"] == pytest.approx(expected[one["id"]], abs=1e-12)


def test_raw_is_the_models_log_softmax(text, rows):
    options = ["--logprobs", "raw", "--top-logprobs", 5, "--prompt-logprobs"]
    with_them = generated("-n", 12, "--seed", 7, *SETTINGS, *options)
    assert with_them["tokens"] == text["tokens"]  # looking changes nothing
    logprobs = with_them["logprobs"]
    assert logprobs["kind"] == "raw"
    prompt = text["prompt_tokens"]
    assert logprobs["prompt"][0] is None
    assert len(logprobs["prompt"]) == len(prompt)
    for i in range(1, len(prompt)):
        check_raw(logprobs["prompt"][i], rows[i - 1], prompt[i])
    assert len(logprobs["content"]) == len(text["tokens"])
    for i, token in enumerate(text["tokens"]):
        check_raw(logprobs["content"][i], rows[len(prompt) - 1 + i], token)


def test_scaled_is_penalised_and_tempered_and_cuts_nothing(text, rows):
    logprobs = generated("-n", 12, "--seed", 7, *SETTINGS, "--logprobs", "scaled")["logprobs"]
    seen = list(text["prompt_tokens"])
    for position, token in zip(logprobs["content"], text["tokens"], strict=True):
        logits = rows[len(seen) - 1].astype(np.float64)
        ids = np.unique(seen)
        logits[ids] = np.where(logits[ids] > 0, logits[ids] / 1.2, logits[ids] * 1.2)
        assert position["logprob"] == pytest.approx(log_softmax(logits / 1.4)[token], abs=1e-9)
        seen.append(token)


def test_final_is_what_explain_draws_from(text):
    logprobs = generated("-n", 3, "--seed", 7, *SETTINGS, "--logprobs", "final", "--top-logprobs", 1000)["logprobs"]
    explain = ["explain", PROMPT, "--steps", "3", "--seed", "7", "--top", "1000", "--format", "json", *SETTINGS]
    explained = json.loads(good(pellucid(*explain)))
    for position, step in zip(logprobs["content"], explained["steps"], strict=True):
        kept = {one["id"]: one["probability"] for one in step["candidates"] if one["probability"]}
        assert {one["id"] for one in position["top_logprobs"]} == set(kept)
        for one in position["top_logprobs"]:
            assert np.exp(one["logprob"]) == pytest.approx(kept[one["id"]], rel=1e-9)


def test_a_token_that_is_ruled_out_has_no_logprob():
    position = generated("-n", 1, "--temperature", 0, "--logprobs", "final", "--prompt-logprobs")["logprobs"]
    assert position["content"][0]["logprob"] == 0
    assert {"logprob": None, "rank": None}.items() <= position["prompt"][1].items()  # not the likeliest


def test_samples_are_the_texts_of_their_seeds():
    choices = generated("-n", 10, "--seed", 5, "--samples", 4)["choices"]
    assert [choice["seed"] for choice in choices] == [5, 6, 7, 8]
    for choice in choices:
        alone = generated("-n", 10, "--seed", choice["seed"], "--logprobs", "raw")
        assert choice["tokens"] == alone["tokens"]
        assert choice["text"] == alone["text"]
        total = sum(one["logprob"] for one in alone["logprobs"]["content"])
        assert choice["cumulative_logprob"] == pytest.approx(total, abs=1e-9)


def test_best_of_gives_the_likeliest():
    every = generated("-n", 10, "--seed", 5, "--samples", 6)["choices"]
    best = generated("-n", 10, "--seed", 5, "--samples", 2, "--best-of", 6)
    means = sorted((choice["mean_logprob"] for choice in every), reverse=True)
    assert [choice["mean_logprob"] for choice in best["choices"]] == means[:2]
    assert [one["seed"] for one in best["candidates"]] == [5, 6, 7, 8, 9, 10]


def test_text_form_shows_each():
    shown = good(pellucid("generate", PROMPT, "-n", "3", "--seed", "1", "--logprobs", "raw", "--top-logprobs", "1"))
    assert "raw log-probabilities" in shown
    assert len([line for line in shown.splitlines() if line.startswith("  | ")]) == 3
    several = good(pellucid("generate", PROMPT, "-n", "3", "--seed", "1", "--samples", "2"))
    assert [line.split(" | ")[0] for line in several.splitlines() if line.startswith("---")] == [
        "--- seed 1",
        "--- seed 2",
    ]


@pytest.mark.parametrize(
    "options",
    [
        ["--samples", "0"],
        ["--samples", "4097"],
        ["--best-of", "2", "--samples", "3"],
        ["--samples", "2", "--trace", "never-written.jsonl"],
        ["--samples", "2", "--logprobs", "raw"],
        ["--samples", "2", "--speculate"],
        ["--logprobs", "cooked"],
        ["--top-logprobs", "3"],
        ["--prompt-logprobs"],
        ["--logprobs", "raw", "--top-logprobs", "-1"],
    ],
)
def test_what_makes_no_sense_is_refused(options):
    assert_usage(pellucid("generate", PROMPT, "-n", "2", *options))
