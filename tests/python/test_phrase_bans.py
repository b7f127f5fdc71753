"""Banned phrases by the command line: in texts, in traces and all that reads them, in explain."""

import json

import pytest
from test_bad_input import REAL_MODEL, assert_failed, assert_usage, pellucid
from test_guidance import generated
from test_trace import SCHEMA, good, model, record, records, rewrite, steps  # noqa: F401 (model is a fixture)

SMALL = ["--temperature", "3", "--allowed-tokens", "97,98,99,100,32"]  # bytes


@pytest.fixture(scope="module")
def bans(model) -> list[str]:
    """Phrases of what the model writes, some of more than a token, one that it comes to only without the others."""
    phrases: list[str] = []
    for begin, length in ((3, 2), (9, 4), (1, 1), (14, 3)):
        options = [word for phrase in phrases for word in ("--ban-phrase", escaped(phrase))]
        text = generated(model, *SMALL, *options)["text"]
        phrases.append(text[begin : begin + length])
    return [word for phrase in phrases for word in ("--ban-phrase", escaped(phrase))]


def escaped(text: str) -> str:
    for character, word in (("\\", "\\\\"), (",", "\\,"), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(character, word)
    return text


def test_a_trace_tells_what_was_taken_back_and_replays(model, bans, tmp_path):
    trace = record(model, tmp_path, *SMALL, *bans)
    result = generated(model, *SMALL, *bans)
    phrases = result["settings"]["ban_phrases"]
    assert len(phrases) == 4 and not any(phrase in result["text"] for phrase in phrases)
    for each in records(trace):
        SCHEMA.validate(each)
    final, redrawn = [], 0
    for step in steps(trace):
        back = step.get("taken_back", 0)
        redrawn += back
        if back:
            assert step["banned"] and step["banned_phrase"] in phrases
            assert final[-back] in step["banned"]
            del final[-back:]
        assert step["step"] == len(final)
        assert step.get("state", {}).get("redraws", 0) == step["draw"]["counter"][1]
        final.append(step["token"])
    assert redrawn >= 4 and final == result["tokens"]
    assert "".join(step["text"] for step in steps(trace)) == result["text"]
    assert f"{24 + redrawn} steps" in good(pellucid("replay", trace, "--threads", "1"))
    good(pellucid("replay", trace, "--no-speculate"))
    assert "24 steps" in good(pellucid("tree", trace))


def test_a_branch_goes_on_as_its_parent_or_another_way(model, bans, tmp_path):
    trace = record(model, tmp_path, *SMALL, *bans)
    result = generated(model, *SMALL, *bans)
    for number, at in enumerate((1, 5, 12, 23), 1):
        same = json.loads(good(pellucid("branch", trace, "--at", str(at), "--seed", "7", "--format", "json")))
        assert same["tokens"] == result["tokens"]
        assert "the same" in good(pellucid("replay", trace, "--branch", str(number)))
    other = json.loads(good(pellucid("branch", trace, "--at", "2", "--seed", "8", "--format", "json")))
    assert not any(phrase in other["text"] for phrase in result["settings"]["ban_phrases"])
    free = json.loads(good(pellucid("branch", trace, "--at", "0", "--set", "ban_phrases=", "--format", "json")))
    assert free["tokens"] == generated(model, *SMALL)["tokens"]


def test_what_if_knows_what_was_ruled_out(model, bans, tmp_path):
    trace = record(model, tmp_path, *SMALL, *bans)
    same = json.loads(good(pellucid("what-if", trace, "--seed", "7", "--format", "json")))
    assert same["first_change"] is None
    assert_usage(pellucid("what-if", trace, "--set", "ban_phrases=x"), "branch")
    assert same["phrase_bans_unchecked"]
    assert "A banned phrase may rule that out" in good(pellucid("what-if", trace, "--seed", "8"))


def test_a_branch_that_is_refused_adds_nothing(model, bans, tmp_path):
    trace = record(model, tmp_path, *SMALL, *bans)
    before = trace.read_bytes()
    phrase = records(trace)[0]["settings"]["ban_phrases"][1]
    assert_usage(pellucid("branch", trace, "--at", "2", "--take", f"text:{phrase}"), "make a banned phrase")
    assert trace.read_bytes() == before


def test_hostile_traces(model, bans, tmp_path):
    trace = record(model, tmp_path, *SMALL, *bans)
    whole = records(trace)
    place = next(i for i, each in enumerate(whole) if each.get("taken_back"))
    for name, value in {"taken_back": 10**6, "banned": [10**6], "banned_phrase": 4}.items():
        edited = json.loads(json.dumps(whole))
        edited[place][name] = value
        rewrite(trace, edited)
        assert_failed(pellucid("replay", trace), name)
    for name, value in {"banned": [0], "banned_phrase": "other"}.items():
        edited = json.loads(json.dumps(whole))
        edited[place][name] = value
        rewrite(trace, edited)
        assert_failed(pellucid("replay", trace), "banned")


def test_explain_shows_what_was_taken_back(model, bans):
    options = ["the thing", "-m", model, "--steps", "24", "--seed", "7", *SMALL, *bans]
    shown = good(pellucid("explain", *options, "--top", "3"))
    assert "which made the banned phrase" in shown and "phrase-ban" in shown and "redraws" in shown
    explained = json.loads(good(pellucid("explain", *options, "--format", "json")))
    assert [step["step"] for step in explained["steps"]] == list(range(len(explained["tokens"])))
    assert [step["draw"]["id"] for step in explained["steps"]] == explained["tokens"]
    assert any(len(step.get("void_steps", [])) == step.get("taken_back") for step in explained["steps"])


def test_log_probabilities_are_of_the_text_that_stays(model, bans):
    result = generated(model, *SMALL, *bans, "--logprobs", "raw")
    assert [one["id"] for one in result["logprobs"]["content"]] == result["tokens"]


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the model has not been fetched")
def test_phrases_of_a_real_model():
    options = ["Once upon a time", "-n", "48", "--seed", "1", "--format", "json"]
    plain = json.loads(good(pellucid("generate", *options)))["text"]
    words = [word for word in dict.fromkeys(plain.split()) if len(word) > 2][:6]
    phrases = [word for each in words for word in ("--ban-phrase", escaped(each.upper()))]
    text = json.loads(good(pellucid("generate", *options, *phrases, "--ban-case", "ignore")))["text"]
    assert not any(word.lower() in text.lower() for word in words)
    never = ["--ban-phrase", "xylophone quartz", "--ban-phrase", "zebra crossing"]
    assert json.loads(good(pellucid("generate", *options, *never)))["text"] == plain


def test_what_is_refused(model, tmp_path):
    def generate(*options):
        return pellucid("generate", "the", "-m", model, "-n", "2", "--seed", "1", *options)

    for wrong in ("a,,b", "\\x", ","):
        assert_usage(generate("--ban-phrase", wrong), "ban-phrases")
    assert_usage(generate("--ban-phrase", b"half \xc3"), "ban-phrases", "not UTF-8")
    assert_usage(generate("--ban-phrase", b"half \xc3", "--trace", tmp_path / "t"), "not UTF-8")
    assert_usage(generate("--ban-phrase", "\ufffd"), "not UTF-8")
    assert_usage(generate("--ban-phrase", "a", "--ban-case", "any"), "ban-case")
    assert_usage(generate("--ban-phrase", "a", "--order", "temperature"), "phrase-ban")
    assert_usage(generate("--ban-phrase", "a", "--beams", "2"), "ban-phrases", "do not go back")
    assert_usage(pellucid("explain", "--logits", "1,2", "--ban-phrase", "a"), "takes a model")


def test_many_phrases_and_long_ones(model):
    text = generated(model, *SMALL)
    many = ",".join(f"phrase number {number}" for number in range(10_000))
    assert generated(model, *SMALL, "--ban-phrase", many[:120_000].rsplit(",", 1)[0])["tokens"] == text["tokens"]
    assert generated(model, *SMALL, "--ban-phrase", "x" * 100_000)["tokens"] == text["tokens"]
