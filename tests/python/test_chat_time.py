"""The time that a chat template writes with strftime_now: given by --now, reported, and then repeatable."""

import json
from datetime import datetime
from pathlib import Path

import pytest
import tiny_model
from test_bad_input import assert_usage, pellucid

FORMAT = "%A %d %b %Y, %j, %H:%M:%S|%Z%z"
TEMPLATE = "{{ strftime_now('" + FORMAT + "') }}>{{ messages[-1].content }}"
NOW = "2024-02-29T03:04:05"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("chat") / "chat.gguf", template=TEMPLATE)


def generated(model: Path, *more) -> dict:
    ended = pellucid("generate", "the", "-m", model, "-n", "4", "--seed", "1", "--format", "json", *more)
    assert ended.code == 0, ended
    return json.loads(ended.out)


def prompt_of(model: Path, result: dict) -> str:
    ids = ",".join(map(str, result["prompt_tokens"]))
    ended = pellucid("detokenize", ids, "-m", model)
    assert ended.code == 0, ended
    return ended.out.decode().strip("\n")


def test_the_template_writes_the_time_given_as_python_would(model):
    result = generated(model, "--chat", "--now", NOW)
    assert result["now"] == NOW
    assert prompt_of(model, result) == datetime.fromisoformat(NOW).strftime(FORMAT) + ">the"


def test_the_time_reported_gives_the_same_run_again(model):
    before = datetime.now().replace(microsecond=0)
    first = generated(model, "--chat")
    assert before <= datetime.fromisoformat(first["now"]) <= datetime.now()
    again = generated(model, "--chat", "--now", first["now"])
    for key in ("now", "prompt_tokens", "tokens", "text"):
        assert first[key] == again[key]


def test_without_a_template_there_is_no_time(model):
    assert "now" not in generated(model)


def test_chat_has_one_time_for_the_whole_conversation(model):
    ended = pellucid("chat", "-m", model, "-n", "2", "--seed", "1", "--now", NOW, stdin=b"the\nthe\n")
    assert ended.code == 0, ended


@pytest.mark.parametrize("command", [["generate", "the", "--chat"], ["chat"]])
@pytest.mark.parametrize("time", ["", "today", "2024-02-30T00:00:00", "2024-02-29T00:00:00Z"])
def test_what_is_no_time_is_refused(model, command, time):
    assert_usage(pellucid(*command, "-m", model, f"--now={time}"), "now")
