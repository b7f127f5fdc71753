"""Structured output on a real model: what comes out is what was asked for, by the word of jsonschema and re."""

import json
import re

import jsonschema
import pytest
from test_bad_input import REAL_MODEL, assert_failed, assert_usage, pellucid
from test_trace import SCHEMA, good, records, steps

pytestmark = pytest.mark.skipif(not REAL_MODEL.exists(), reason="the model has not been fetched")

SCHEMAS = {
    "person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 2, "maxLength": 20},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "married": {"type": "boolean"},
        },
        "required": ["name", "age", "married"],
        "additionalProperties": False,
    },
    "list": {"type": "array", "items": {"enum": ["red", "green", 3, None]}, "minItems": 2, "maxItems": 4},
    "tree": {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "label": {"type": "string", "pattern": "^[a-z]{1,6}$"},
                    "child": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["label", "child"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/node",
    },
    "number": {"type": "number", "minimum": -2.5, "exclusiveMaximum": 40, "multipleOf": 0.5},
}
# A text that ends well, or the model would let most trees go on growing.
EXAMPLES = {"tree": '{"label": "a", "child": {"label": "b", "child": null}}\n{"label": "c", "child": null}\n'}
PATTERNS = [r"\d{4}-(0[1-9]|1[0-2])-[0-3]\d", r"(yes|no)( (yes|no)){2,5}\.", r"[A-Z][a-z]{2,9}, [A-Z]{2}", r"(?i:ab|cd)+x"]
HOT = ["--temperature", "1.5", "--top-k", "0", "--top-p", "1"]


def generated(prompt: str, *options) -> dict:
    return json.loads(good(pellucid("generate", prompt, "-n", "200", "--format", "json", *map(str, options))))


@pytest.mark.parametrize("name", SCHEMAS)
def test_json_is_valid(name, tmp_path):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMAS[name]))
    ended = 0
    for seed in range(6):
        prompt = EXAMPLES.get(name, "JSON: ")
        result = generated(prompt, "--json-schema", f"@{file}", "--seed", seed, *(HOT if seed % 2 else []))
        if result["finish_reason"] == "length":  # a text that was cut
            continue
        ended += 1
        jsonschema.Draft202012Validator(SCHEMAS[name]).validate(json.loads(result["text"]))
    assert ended >= 4


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_the_whole_text(pattern):
    for seed in range(3):
        result = generated("The answer is ", "--regex", pattern, "--seed", seed, *(HOT if seed else []))
        assert result["finish_reason"] == "length" or re.fullmatch(pattern, result["text"]), result["text"]


def test_a_choice_is_one_of_the_choices():
    seen = {generated("Best: ", "--choice", "cat,dog,a\\sbird", "--seed", seed, *HOT)["text"] for seed in range(6)}
    assert seen <= {"cat", "dog", "a bird"} and len(seen) > 1


def test_speculation_and_threads_change_nothing():
    options = ["--seed", "3", "--json-schema", json.dumps(SCHEMAS["list"])]
    one = generated("[3, null, 3, null, 3, null]\n", *options)
    for more in (["--no-speculate"], ["--threads", "1"], ["--batch", "3"]):
        assert generated("[3, null, 3, null, 3, null]\n", *options, *more)["tokens"] == one["tokens"]


def test_traces_replay_branch_and_ask_what_if(tmp_path):
    trace, logits = tmp_path / "run.jsonl", tmp_path / "run.f32"
    options = ["--seed", "2", "--regex", "[0-9]{6}x", "--trace", trace, "--trace-logits", logits]
    text = generated("Number: ", *options)["text"]
    for record in records(trace):
        SCHEMA.validate(record)
    assert all(step["stages"][0]["name"] == "grammar" for step in steps(trace))
    assert all(step["allowed"]["count"] == step["stages"][0]["kept"] for step in steps(trace))
    good(pellucid("replay", trace))
    result = json.loads(good(pellucid("what-if", trace, "--seed", "9", "--format", "json")))
    again = generated("Number: ", "--seed", "9", "--regex", "[0-9]{6}x")["tokens"]
    first = result["first_change"]
    assert result["steps"][first]["what_if"]["token"] == again[first]
    assert_usage(pellucid("what-if", trace, "--set", "regex=a"), "branch")
    branched = json.loads(good(pellucid("branch", trace, "--at", "2", "--seed", "5", "--format", "json")))["text"]
    assert re.fullmatch("[0-9]{6}x", branched) and branched.startswith(text[:1])
    good(pellucid("replay", trace, "--branch", "1"))
    assert_usage(pellucid("branch", trace, "--at", "2", "--take", "y"), "cannot go on with this token")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [("--regex", "[0-9]{6}x", "regex"), ("--choice", "one,two,three", "choice"), ("--json-schema", '{"type": "integer"}', "json_schema")],
)
def test_a_dialect_keeps_the_structure(tmp_path, option, value, name):
    trace = tmp_path / "run.jsonl"
    generated("Number: ", option, value, "--seed", "2", "--trace", trace, "--trace-logits", tmp_path / "run.f32")
    branched = json.loads(good(pellucid("branch", trace, "--at", "0", "--dialect", "llamacpp", "--seed", "8", "--format", "json")))
    asked = generated("Number: ", option, value, "--dialect", "llamacpp", "--seed", "8")
    assert branched["settings"] == asked["settings"] and branched["settings"][name] and branched["tokens"] == asked["tokens"]
    good(pellucid("replay", trace, "--branch", "1"))
    then = json.loads(good(pellucid("what-if", trace, "--dialect", "llamacpp", "--seed", "8", "--format", "json")))
    assert then["steps"][0]["what_if"]["token"] == asked["tokens"][0]
    good(pellucid("branch", trace, "--at", "0", "--dialect", "hf", "--set", f"{name}=", "-n", "3", "--format", "json"))


REFUSED = [["--regex", "(a"], ["--ctx", "2"], ["--stop", ""]]


@pytest.mark.parametrize("options", REFUSED, ids=lambda options: options[0])
def test_a_text_that_cannot_start_leaves_no_file_and_harms_none(tmp_path, options):
    trace, logits = tmp_path / "run.jsonl", tmp_path / "run.f32"
    files = ["--trace", trace, "--trace-logits", logits]
    assert pellucid("generate", "Number: one two", *options, *files).code in (1, 2)
    assert not trace.exists() and not logits.exists()
    trace.write_text("precious")
    assert pellucid("generate", "Number: one two", *options, *files).code in (1, 2)
    assert trace.read_text() == "precious" and not logits.exists()


def test_a_branch_that_cannot_start_leaves_the_trace_as_it_is(tmp_path):
    trace = tmp_path / "run.jsonl"
    good(pellucid("generate", "Number: ", "-n", "6", "--seed", "2", "--trace", trace))
    before = trace.read_bytes()
    assert_usage(pellucid("branch", trace, "--at", "2", "--set", "regex=(a"), "setting regex")
    assert_usage(pellucid("branch", trace, "--at", "2", "--set", "regex=(a", "-o", tmp_path / "copy.jsonl"), "setting regex")
    assert trace.read_bytes() == before and not (tmp_path / "copy.jsonl").exists()


def test_what_if_needs_the_sets(tmp_path):
    trace = tmp_path / "run.jsonl"
    generated("Number: ", "--regex", "[0-9]{3}", "--trace", trace, "--trace-logits", tmp_path / "run.f32")
    edited = records(trace)
    for record in edited:
        record.get("allowed", {}).pop("set", None)
    trace.write_text("".join(json.dumps(record) + "\n" for record in edited))
    assert_failed(pellucid("what-if", trace, "--seed", "1"), "are not stored")


def test_it_is_a_stage_of_explain():
    shown = good(pellucid("explain", "Is it? ", "--choice", "yes,no", "--seed", "1"))
    assert "grammar" in shown and "the structure forbids it" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--regex", "(a"], ["setting regex", "unclosed"]),
        (["--json-schema", "{"], ["setting json-schema", "no JSON"]),
        (["--json-schema", '{"type": "strin"}'], ["setting json-schema", "strin"]),
        (["--grammar", "start: b"], ["setting grammar", "unknown name"]),
        (["--regex", "a", "--choice", "b"], ["setting choice", "regex is set"]),
        (["--regex", "a", "--order", "top_k"], ["setting order", "grammar"]),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(options, words):
    assert_usage(pellucid("generate", "x", *options), *words)


def test_a_file_that_is_not_there_and_logits_without_a_model():
    assert_failed(pellucid("generate", "x", "--json-schema", "@nowhere.json"), "nowhere.json")
    assert_usage(pellucid("explain", "--logits", "1,2", "--regex", "a"), "it takes a model")
