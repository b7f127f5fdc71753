"""Conversations recorded by `chat --trace`: each answer is a text of one trace, and replays."""

import json
from pathlib import Path

import pytest
import tiny_model
from test_bad_input import REAL_MODEL, assert_failed, assert_usage, pellucid
from test_trace import SCHEMA, good, records, rewrite, steps

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<answer>"
TALK = ["the thing", "/set temperature 1.5", "an other", "/regenerate", "/regenerate", "/set seed 9", "the end"]
# What each of the five answers is: (parent, whether it has a prompt of its own, stream, seed, temperature).
TEXTS = [(None, True, 0, 4, 0.7), (0, True, 0, 4, 1.5), (1, False, 1, 4, 1.5), (1, False, 2, 4, 1.5), (3, True, 0, 9, 1.5)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("chat") / "chat.gguf", template=TEMPLATE)


def talk(model: Path, *more, lines=TALK) -> str:
    options = ["-n", "10", "--seed", "4", "--temperature", "0.7", *more]
    return good(pellucid("chat", "-m", model, *options, stdin="\n".join(lines).encode() + b"\n"))


@pytest.fixture
def trace(model, tmp_path) -> Path:
    talk(model, "--trace", tmp_path / "talk.jsonl", "--trace-logits", tmp_path / "talk.f32")
    return tmp_path / "talk.jsonl"


def openings(trace: Path) -> list[dict]:
    return [each for each in records(trace) if each["record"] in ("header", "branch")]


def test_every_answer_is_a_text_of_one_trace(trace):
    for each in records(trace):
        SCHEMA.validate(each)
    found = openings(trace)
    assert [each["record"] for each in found] == ["header"] + ["branch"] * 4
    for opening, (parent, has_prompt, stream, seed, temperature) in zip(found, TEXTS, strict=True):
        assert opening.get("parent") == parent and ("prompt" in opening) == has_prompt
        assert (opening["stream"], opening["seed"]) == (stream, seed)
        assert opening["settings"]["temperature"] == temperature
    ends = [each for each in records(trace) if each["record"] == "end"]
    assert [each["branch"] for each in ends] == [0, 1, 2, 3, 4]


def test_prompts_are_what_the_template_makes_and_texts_what_was_said(model, trace, tmp_path):
    said = talk(model, "--trace", tmp_path / "again.jsonl").encode()
    assert b"".join("".join(step["text"] for step in steps(trace, id)).encode() + b"\n" for id in range(5)) == said
    answers = ["".join(step["text"] for step in steps(trace, id)) for id in range(5)]
    prompts = {id: each["prompt"]["text"] for id, each in enumerate(openings(trace)) if "prompt" in each}
    first = "<user>the thing"
    assert prompts[0] == first + "<answer>"
    assert prompts[1] == f"{first}<assistant>{answers[0]}<user>an other<answer>"
    assert prompts[4] == f"{first}<assistant>{answers[0]}<user>an other<assistant>{answers[3]}<user>the end<answer>"


def test_recording_changes_no_answer(model, trace):
    assert talk(model) == "".join("".join(step["text"] for step in steps(trace, id)) + "\n" for id in range(5))


def test_replay_confirms_each_answer(trace):
    n_steps = sum(each["record"] == "step" for each in records(trace))
    assert f"the same, bit for bit: 5 texts, {n_steps} steps" in good(pellucid("replay", trace, "--threads", "1"))
    result = json.loads(good(pellucid("replay", trace, "--format", "json", "--batch", "3", "--no-speculate")))
    assert result["confirmed"] == n_steps and result["branch"] is None
    assert result["texts"] == [{"branch": id, "confirmed": len(steps(trace, id))} for id in range(5)]
    one = json.loads(good(pellucid("replay", trace, "--branch", "3", "--format", "json")))
    assert (one["branch"], one["confirmed"]) == (3, len(steps(trace, 3)))
    edited = records(trace)
    next(each for each in edited if each.get("branch") == 4 and each.get("step") == 2)["logits_hash"] = "0" * 16
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "the replay of 4 differs: step 2: the hash of the logits")


def test_tree_what_if_and_branch_need_not_be_told(trace, tmp_path):
    drawn = good(pellucid("tree", trace, env={"COLUMNS": "60"}))
    heads = [line for line in drawn.splitlines() if "─ " in line]
    assert [line.lstrip("│ ├└─")[0] for line in heads] == ["0", "1", "2", "3", "4"]
    assert heads[1].startswith("└─ 1  after 0, temperature=1.5") and heads[2].startswith("   ├─ 2  from step 0, stream=1")
    assert drawn.splitlines()[0] == '"<user>the thing<answer>"' and max(map(len, drawn.splitlines())) <= 60
    shown = json.loads(good(pellucid("tree", trace, "--format", "json")))["branches"]
    assert [each["parent"] for each in shown] == [text[0] for text in TEXTS]
    assert [("prompt" in each) for each in shown[1:]] == [text[1] for text in TEXTS[1:]]

    seeded = json.loads(good(pellucid("what-if", trace, "--branch", "1", "--seed", "4", "--format", "json")))
    assert seeded["first_change"] is None and len(seeded["steps"]) == len(steps(trace, 1))
    last = json.loads(good(pellucid("what-if", trace, "--branch", "4", "--set", "repetition_penalty=1", "--format", "json")))
    assert last["first_change"] is None

    good(pellucid("branch", trace, "--branch", "4", "--at", "3", "--seed", "2", "--trace-logits", tmp_path / "talk.f32"))
    assert openings(trace)[5]["parent"] == 4 and "prompt" not in openings(trace)[5]
    assert "6 texts" in good(pellucid("replay", trace))
    good(pellucid("what-if", trace, "--branch", "5", "--set", "repetition_penalty=1.3"))


def test_penalties_count_the_turns_own_prompt(model, tmp_path):
    """What-if makes the recorded draws again only if it knows the text before them."""
    trace = tmp_path / "talk.jsonl"
    options = ["--repetition-penalty", "1.8", "--no-repeat-ngram-size", "3", "--trace", trace, "--trace-logits", tmp_path / "f"]
    talk(model, *options)
    for id in range(5):
        result = json.loads(good(pellucid("what-if", trace, "--branch", str(id), "--set", "top_k=50", "--format", "json")))
        for made, step in zip(result["steps"], steps(trace, id), strict=True):
            assert made["what_if"]["draw"] == step["draw"] and made["what_if"]["stages"] == step["stages"]


def test_guidance_leads_away_from_the_answer_to_another_system_message(model, tmp_path):
    def ids(prompt: str) -> list[int]:
        return json.loads(good(pellucid("tokenize", "-m", model, "--no-bos", stdin=prompt.encode())))["tokens"]

    trace = tmp_path / "talk.jsonl"
    guided = ["--system", "thing", "--guidance-scale", "2"]
    lines = ["the thing", "an other", "/set guidance_scale 1", "/regenerate"]
    said = talk(model, *guided, "--negative-prompt", "of the", "--trace", trace, lines=lines)
    assert said.encode() != talk(model, *guided, lines=lines).encode()
    answer = "".join(step["text"] for step in steps(trace, 0))
    first, second, plain = openings(trace)
    assert first["negative_prompt"] == ids("<system>of the<user>the thing<answer>")
    assert second["negative_prompt"] == ids(f"<system>of the<user>the thing<assistant>{answer}<user>an other<answer>")
    assert "negative_prompt" not in plain
    assert "3 texts" in good(pellucid("replay", trace))
    talk(model, *guided, "--negative-prompt", "", "--trace", trace, lines=lines[:1])
    assert openings(trace)[0]["negative_prompt"] == ids("<user>the thing<answer>")


def test_a_negative_prompt_can_fill_the_context_and_needs_guidance(model):
    long = ["--negative-prompt", "thing " * 8]
    ended = pellucid("chat", "-m", model, "-n", "500", "--seed", "4", "--guidance-scale", "2", *long, stdin=b"the\n")
    good(ended)
    assert "The context is full" in ended.err
    assert_usage(pellucid("chat", "-m", model, *long, stdin=b"the\n"), "--negative-prompt: without --guidance-scale")


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
def test_a_conversation_with_a_real_model(tmp_path):
    trace = tmp_path / "talk.jsonl"
    talk(REAL_MODEL, "--trace", trace, lines=["Hello!", "/system Be brief.", "What is a pellucid thing?", "/regenerate"])
    found = openings(trace)
    assert [each.get("parent") for each in found] == [None, 0, 1]
    assert "Be brief." in found[1]["prompt"]["text"] and "prompt" not in found[2]
    assert "3 texts" in good(pellucid("replay", trace))
    drawn = good(pellucid("tree", trace))
    assert "What is a pellucid thing?" in drawn


def test_a_chat_that_says_nothing_leaves_no_file(model, tmp_path):
    trace = tmp_path / "talk.jsonl"
    talk(model, "--trace", trace, lines=["/help"])
    assert not trace.exists()
    trace.write_text("precious")
    talk(model, "--trace", trace, lines=["/history"])
    assert trace.read_text() == "precious"
    assert_usage(pellucid("chat", "-m", model, "--regex", "(a", "--trace", tmp_path / "none", stdin=b"x\n"), "setting regex")
    assert not (tmp_path / "none").exists()
    assert_failed(pellucid("chat", "-m", model, "--trace", tmp_path / "no" / "t", stdin=b"x\n"), "no/t")
    assert_usage(pellucid("chat", "-m", model, "--trace", model, stdin=b"x\n"), "--trace", "model")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_nothing_is_shown_that_cannot_be_recorded(model):
    ended = pellucid("chat", "-m", model, "--seed", "4", "--trace", "/dev/full", stdin=b"the thing\n")
    assert_failed(ended, "/dev/full")  # with nothing on standard output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at": 1}, "at is"),
        ({"prompt": {"text": "x", "tokens": []}}, "prompt.tokens is empty"),
        ({"prompt": {"text": "x", "tokens": [99999]}}, "prompt.tokens"),
        ({"prompt": {"text": 3, "tokens": [1]}}, "prompt.text"),
        ({"prompt": "x"}, "prompt"),
        ({"parent": 1}, "parent"),
    ],
)
def test_a_turn_that_cannot_be(trace, change, words):
    edited = records(trace)
    turn = next(each for each in edited if each["record"] == "branch")
    turn |= change
    rewrite(trace, edited)
    line = edited.index(turn) + 1
    for command in (["replay"], ["tree"], ["what-if", "--seed", "1"]):
        assert_failed(pellucid(command[0], trace, *command[1:]), f"line {line}:", words)


def test_another_prompt_is_found_out(trace):
    edited = records(trace)
    next(each for each in edited if each["record"] == "branch")["prompt"]["tokens"][0] ^= 1
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "the replay of 1 differs: step 0: the hash of the logits")
