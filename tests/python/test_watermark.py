"""The watermark by the command line: texts of a model, with and without, found and not found."""

import json
from pathlib import Path

import pytest
import tiny_model
from test_bad_input import REAL_MODEL, assert_usage, pellucid
from test_trace import good, record

PROMPT = "The history of the bicycle begins"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("watermark") / "tiny.gguf")


def score(*arguments, stdin=b"") -> dict:
    return json.loads(good(pellucid("detect-watermark", "--format", "json", *arguments, stdin=stdin)))


def written(*more) -> bytes:
    return good(pellucid("generate", PROMPT, "-n", "100", "--seed", "1", *more)).strip().encode()


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
@pytest.mark.parametrize("scheme", ["lefthash", "selfhash"])
def test_a_models_text_is_found_with_its_key_alone(scheme):
    key = ["--watermark-key", "1299709", "--watermark-scheme", scheme, "--watermark-context", "2"]
    marked = score(*key, stdin=written("--watermark-bias", "4", *key))
    assert marked["prediction"] and marked["z_score"] > 6 and marked["p_value"] < 1e-8, marked
    other = ["--watermark-key", "1299721", *key[2:]]
    assert not score(*other, stdin=written("--watermark-bias", "4", *key))["prediction"]
    assert not score(*key, stdin=written())["prediction"]


def test_a_trace_needs_no_model_and_has_the_settings(model, tmp_path):
    marks = ["--watermark-bias", "5", "--watermark-ratio", "0.4", "--top-k", "0", "--top-p", "1", "--ignore-eos"]
    trace = record(model, tmp_path, *marks, tokens=80)
    found = score("--trace", trace)
    assert found["settings"]["watermark_ratio"] == 0.4
    assert found["num_tokens_scored"] == 80  # the prompt's last token decides the colours of the first
    assert found["tokens"][0]["green"] is None
    assert sum(token["green"] is True for token in found["tokens"]) == found["num_green_tokens"]
    assert found["prediction"], found
    assert score("--trace", trace, "--watermark-key", "17")["z_score"] < 4
    ids = ",".join(str(token["id"]) for token in found["tokens"])
    again = score("--ids", ids, "-m", model, "--greenlist-ratio", "0.4")
    assert again["z_score"] == found["z_score"] and again["tokens"][1:] == found["tokens"][1:]
    assert (found["tokens"][0]["token"], again["tokens"][0]["token"]) == (None, "g")  # the trace has no text for it
    good(pellucid("replay", trace))


def test_the_text_shows_what_the_json_says(model, tmp_path):
    trace = record(model, tmp_path, "--watermark-bias", "5")
    text = good(pellucid("detect-watermark", "--trace", trace, "--color", "always"))
    found = score("--trace", trace)
    assert f"{found['z_score']:.4f}" in text and "\x1b[32m" in text
    assert "\x1b" not in good(pellucid("detect-watermark", "--trace", trace))


def test_what_cannot_be_scored_is_refused(model, tmp_path):
    for arguments, word in {
        ("--ids", "7"): "not scored",
        ("--ids", "7,999"): "no token 999",
        ("--ids", "7,8", "--watermark-ratio", "1"): "watermark-ratio",
        ("--ids", "7,8", "--watermark-key", "0"): "watermark-key",
        ("--ids", "7,8", "--watermark-scheme", "none"): "watermark-scheme",
        ("--ids", "7,8", "--z-threshold", "nan"): "z-threshold",
        ("--ids", "7,8", "text"): "ids",
    }.items():
        assert_usage(pellucid("detect-watermark", "-m", model, *arguments), word)
