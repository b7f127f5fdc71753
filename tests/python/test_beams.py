"""Beam search by the command, beside a search in numpy over the logits that the command gives."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import tiny_model
from test_bad_input import BINARY, HANG_SECONDS, assert_usage, pellucid
from test_trace import good


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def generated(model, *options) -> dict:
    return json.loads(good(pellucid("generate", "the", "-m", model, "--format", "json", *map(str, options))))


def logprobs_after(model, ids, folder):
    file = folder / "logits.npy"
    good(pellucid("logits", "--tokens", ",".join(map(str, ids)), "-m", model, "-o", file))
    logits = np.load(file)[-1].astype(np.float64)
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def searched(model, prompt, n_beams, steps, folder):
    """The beams of a search in which nothing ends: [(tokens, sum)], best first."""
    beams = [([], 0.0)]
    for _ in range(steps):
        ways = [
            (total + logprob, parent, token)
            for parent, (tokens, total) in enumerate(beams)
            for token, logprob in enumerate(logprobs_after(model, prompt + tokens, folder))
        ]
        best = sorted(ways, key=lambda way: (-way[0], *way[1:]))[:n_beams]
        beams = [(beams[parent][0] + [token], total) for total, parent, token in best]
    return beams


def test_beams_are_those_of_a_search_in_numpy(tiny, tmp_path):
    report = generated(tiny, "--beams", 3, "-n", 4, "--ignore-eos", "--length-penalty", 0.5, "--early-stopping", "never")
    expected = searched(tiny, report["prompt_tokens"], 3, 4, tmp_path)
    assert [beam["tokens"] for beam in report["beams"]] == [tokens for tokens, _ in expected]
    for beam, (_, total) in zip(report["beams"], expected, strict=True):
        assert beam["sum_logprob"] == pytest.approx(total, abs=1e-5)
        assert beam["score"] == pytest.approx(total / 2, abs=1e-5)
        assert beam["finish_reason"] == "length"
    assert report["beam_search"] == {"beams": 3, "length_penalty": 0.5, "early_stopping": "never", "sampling": False}
    for key in ("tokens", "text", "finish_reason"):
        assert report[key] == report["beams"][0][key]
    assert {"model", "seed", "settings", "timings"} <= report.keys()
    assert "temperature" not in report["settings"]["order"]


def test_text_form_shows_the_best_or_several(tiny):
    report = generated(tiny, "--beams", 3, "-n", 4)
    options = ["generate", "the", "-m", tiny, "--beams", "3", "-n", "4"]
    assert good(pellucid(*options)) == report["text"] + "\n"
    shown = good(pellucid(*options, "--best", "2")).split("--- score ")[1:]
    assert len(shown) == 2
    for beam, text in zip(report["beams"], shown, strict=False):
        assert text.startswith(f"{beam['score']:.4f} | {len(beam['tokens'])} tokens | ")
        assert text.endswith(f" ---\n{beam['text']}\n")


def check_step(step, n_beams, n_ends):
    """The rules, once more: who goes on, and which texts are finished after the step."""
    candidates = step["candidates"]
    assert len(candidates) == max(2, 1 + n_ends) * n_beams
    sums = [one["sum_logprob"] for one in candidates]
    assert sums == sorted(sums, reverse=True)
    for one in candidates:
        assert one["sum_logprob"] == step["beams"][one["parent"]]["sum_logprob"] + one["logprob"]
    going = [one for one in candidates if not one["ends"]][:n_beams]
    assert [one["becomes"] for one in going] == list(range(n_beams))
    for place, one in enumerate(candidates):
        if one["ends"]:
            assert (one["fate"] == "too_low") == (place >= n_beams)
        else:
            assert one["fate"] == ("goes_on" if one in going else "crowded")
    return [(step["beams"][one["parent"]]["tokens"] + [one["id"]], one["sum_logprob"]) for one in going]


def test_explain_shows_each_step_of_the_search(tiny):
    options = ["the", "-m", tiny, "--beams", "3", "--logit-bias", "260=3", "--early-stopping", "never", "--format", "json"]
    shown = json.loads(good(pellucid("explain", *options, "--steps", "5")))
    assert shown["beam_search"] == {"beams": 3, "length_penalty": 1, "early_stopping": "never", "sampling": False}
    assert 2 <= len(shown["steps"]) <= 5
    beams = [([], 0.0)]
    finished = []
    for index, step in enumerate(shown["steps"]):
        assert step["step"] == index
        assert [(beam["tokens"], beam["sum_logprob"]) for beam in step["beams"]] == beams
        beams = check_step(step, 3, 1)
        for one in step["candidates"]:
            if one["fate"] == "finishes":
                tokens = step["beams"][one["parent"]]["tokens"] + [one["id"]]
                assert one["score"] == pytest.approx(one["sum_logprob"] / len(tokens), abs=1e-12)
                finished.append((one["score"], tokens))
        finished = sorted(finished, key=lambda text: -text[0])[:3]
        assert [(text["score"], text["tokens"]) for text in step["finished"]] == finished


def test_explain_in_text_keeps_to_the_width(tiny):
    options = ["explain", "the", "-m", tiny, "--beams", "4", "--steps", "4"]
    for width in (40, 80, 120):
        shown = good(pellucid(*options, "--width", str(width)))
        assert shown.count("step ") == 4
        assert max(map(len, shown.splitlines())) <= width
    assert "goes on as beam 0" in shown


def test_beam_sampling_is_of_its_seed(tiny):
    options = ["--beams", 3, "--beam-sampling", "-n", 6, "--temperature", 1.3, "--top-k", 20]
    report = generated(tiny, *options, "--seed", 5)
    assert report["beam_search"]["sampling"] is True
    assert "temperature" in report["settings"]["order"]
    assert generated(tiny, *options, "--seed", 5, "-t", 1)["beams"] == report["beams"]
    assert generated(tiny, *options, "--seed", 6)["beams"] != report["beams"]
    shown = ["the", "-m", tiny, *map(str, options[:3]), "--seed", "5", "--steps", "3", "--format", "json"]
    for step in json.loads(good(pellucid("explain", *shown)))["steps"]:
        assert all(0 <= one["u"] < 1 for one in step["candidates"])


def test_an_interrupt_gives_what_there_is(tmp_path):
    model = tiny_model.write(tmp_path / "tiny.gguf", settings={"context_length": 1 << 16})
    command = [BINARY, "generate", "the", "-m", model, "--beams", "4", "-n", "60000", "--ignore-eos", "--format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    report = json.loads(out)
    assert report["finish_reason"] == "cancelled"
    assert len(report["beams"]) == 4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--beams", "0"], "'0' is not a whole number between 1 and 64"),
        (["--beams", "65"], "'65' is not a whole number between 1 and 64"),
        (["--beams", "two"], "'two' is not a whole number"),
        (["--beams", "2", "--length-penalty", "nan"], "'nan' is not a number between -10 and 10"),
        (["--beams", "2", "--length-penalty", "11"], "'11' is not a number between -10 and 10"),
        (["--beams", "2", "--length-penalty", "1x"], "'1x' is not a number"),
        (["--beams", "2", "--early-stopping", "maybe"], "'maybe' is not one of false, true, never"),
        (["--beams", "2", "--best", "3"], "2 beams cannot give the best 3"),
        (["--beams", "2", "--best", "0"], "'0' is not a whole number"),
        (["--beams", "2", "--samples", "2"], "--samples"),
        (["--beams", "2", "--best-of", "2"], "--best-of"),
        (["--beams", "2", "--trace", "never-written.jsonl"], "--trace"),
        (["--beams", "2", "--logprobs", "raw"], "--logprobs"),
        (["--beams", "2", "--speculate"], "--speculate"),
        (["--beams", "2", "--temperature", "0.5"], "--temperature"),
        (["--beams", "2", "--beam-sampling", "--temperature", "0"], "temperature"),
        (["--beam-sampling"], "--beam-sampling"),
        (["--beams", "2", "--top-k", "5"], "--top-k"),
        (["--beams", "2", "--mirostat", "2"], "--mirostat"),
        (["--length-penalty", "1"], "--length-penalty"),
        (["--early-stopping", "true"], "--early-stopping"),
        (["--best", "1"], "--best"),
    ],
)
def test_what_makes_no_sense_is_refused(tiny, options, named):
    assert_usage(pellucid("generate", "the", "-m", tiny, "-n", "2", *options), named)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--beams", "2", "--compare", "hf,llamacpp"], "--compare excludes --beams"),
        (["--beams", "2", "--logits", "1,2"], "--logits excludes --beams"),
        (["--beams", "2", "--top-p", "0.5"], "--top-p"),
        (["--length-penalty", "1"], "--length-penalty"),
    ],
)
def test_what_explain_cannot_show_is_refused(tiny, options, named):
    assert_usage(pellucid("explain", "the", "-m", tiny, *options), named)
