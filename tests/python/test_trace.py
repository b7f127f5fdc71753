"""Traces by the command line: their schema, replay, what-if, branch and tree."""

import fcntl
import json
import signal
import subprocess
import time
from pathlib import Path

import gguf
import jsonschema
import numpy as np
import pytest
import tiny_model
from test_bad_input import BINARY, REAL_MODEL, ROOT, assert_failed, assert_usage, pellucid

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/trace.schema.json").read_text()))
RUNS = {
    "plain": ["--temperature", "1.5"],
    "greedy": ["--temperature", "0"],
    "whole vocabulary": ["--top-k", "0", "--top-p", "1"],
    "stateful": ["--mirostat", "2", "--xtc-probability", "0.5", "--dry-multiplier", "1", "--logit-bias", "5=-inf"],
    "stopped": ["--stop", "e", "--ignore-eos"],
    "dialect": ["--dialect", "llamacpp", "--no-speculate", "--kv-type", "f32", "--precision", "f32", "--ctx", "40"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("trace") / "tiny.gguf")


def record(model: Path, folder: Path, *more, seed=7, tokens=24) -> Path:
    trace = folder / "run.jsonl"
    options = ["--seed", str(seed), "-n", str(tokens), "--trace", trace, "--trace-logits", folder / "run.f32"]
    ended = pellucid("generate", "the thing", "-m", model, *options, "--format", "json", *more)
    assert ended.code == 0, ended
    return trace


def records(trace: Path) -> list[dict]:
    return [json.loads(line) for line in trace.read_bytes().decode().splitlines()]


def steps(trace: Path, branch=0) -> list[dict]:
    return [each for each in records(trace) if each["record"] == "step" and each["branch"] == branch]


def rewrite(trace: Path, edited: list[dict]) -> None:
    trace.write_text("".join(json.dumps(each) + "\n" for each in edited))


def good(ended) -> str:
    assert ended.code == 0, ended
    return ended.out.decode()


def xxh64(data: bytes) -> str:
    """Written from the specification, apart from the one of the engine."""
    mask = (1 << 64) - 1
    p1, p2, p3 = 11400714785074694791, 14029467366897019727, 1609587929392839161
    p4, p5 = 9650029242287828579, 2870177450012600261

    def turn(x: int, n: int) -> int:
        return ((x << n) | (x >> (64 - n))) & mask

    def mix(total: int, word: int) -> int:
        return turn((total + word * p2) & mask, 31) * p1 & mask

    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8").tolist()
    whole = len(data) // 32 * 4
    digest = p5
    if whole:
        sums = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        for i in range(0, whole, 4):
            sums = [mix(sums[k], words[i + k]) for k in range(4)]
        digest = sum(turn(each, n) for each, n in zip(sums, (1, 7, 12, 18), strict=True)) & mask
        for each in sums:
            digest = ((digest ^ mix(0, each)) * p1 + p4) & mask
    digest = (digest + len(data)) & mask
    for word in words[whole:]:
        digest = (turn(digest ^ mix(0, word), 27) * p1 + p4) & mask
    rest = data[len(words) * 8 :]
    if len(rest) >= 4:
        digest = (turn(digest ^ int.from_bytes(rest[:4], "little") * p1 & mask, 23) * p2 + p3) & mask
        rest = rest[4:]
    for byte in rest:
        digest = turn(digest ^ byte * p5 & mask, 11) * p1 & mask
    digest = (digest ^ digest >> 33) * p2 & mask
    digest = (digest ^ digest >> 29) * p3 & mask
    return f"{digest ^ digest >> 32:016x}"


# --- the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_every_record_is_as_the_schema_says(model, tmp_path, options):
    trace = record(model, tmp_path, *options)
    good(pellucid("branch", trace, "--at", "2", "--take", "rank:1", "-n", "5"))
    for each in records(trace):
        SCHEMA.validate(each)
    kinds = [each["record"] for each in records(trace)]
    assert kinds[0] == "header" and kinds.count("end") == 2 and kinds.count("branch") == 1


def test_the_schema_refuses_what_is_wrong(model, tmp_path):
    header, step, *_, end = records(record(model, tmp_path, tokens=3))
    for each, field, value in [
        (header, "version", "2.0"),
        (header, "seed", -1),
        (header, "settings", {}),
        (step, "logits_hash", "xyz"),
        (step, "draw", {"u": 0.5}),
        (step, "token", "the"),
        (end, "finish_reason", "bored"),
    ]:
        assert not SCHEMA.is_valid(each | {field: value}), field
        assert not SCHEMA.is_valid({key: held for key, held in each.items() if key != field}), field


def test_hashes_are_those_of_the_bytes(model, tmp_path):
    trace = record(model, tmp_path, tokens=6)
    header = records(trace)[0]
    assert header["model"]["hash"] == xxh64(model.read_bytes())
    assert header["model"]["bytes"] == model.stat().st_size
    logits = np.fromfile(tmp_path / "run.f32", "<f4").reshape(-1, header["model"]["n_vocab"])
    for step in steps(trace):
        assert step["logits_hash"] == xxh64(logits[step["logits_row"]].tobytes())


def test_the_tokenizer_hash_is_of_its_metadata(model, tmp_path):
    fields = gguf.GGUFReader(model).fields
    described = b""
    for key in sorted(name for name in fields if name.startswith("tokenizer.")):
        field = fields[key]
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            first = min(field.data) - (field.types[1] == gguf.GGUFValueType.STRING)  # lengths stand before texts
            value = b"".join(part.tobytes() for part in field.parts[first:])
        elif field.types[0] == gguf.GGUFValueType.STRING:
            value = field.parts[-1].tobytes()
        else:
            value = int(field.contents()).to_bytes(8, "little")
        described += key.encode() + int(xxh64(value), 16).to_bytes(8, "little")
    assert records(record(model, tmp_path, tokens=1))[0]["model"]["tokenizer_hash"] == xxh64(described)


def test_stages_probabilities_and_draws_follow_from_the_logits(model, tmp_path):
    trace = record(model, tmp_path, "--temperature", "1", "--top-k", "40", "--top-p", "0.8", "--trace-top", "30")
    header = records(trace)[0]
    logits = np.fromfile(tmp_path / "run.f32", "<f4").reshape(-1, header["model"]["n_vocab"]).astype(np.float64)
    for step in steps(trace):
        row = logits[step["logits_row"]]
        order = np.lexsort((np.arange(len(row)), -row))
        best = np.exp(row[order[:40]] - row[order[0]])
        left = int(np.searchsorted(np.cumsum(best / best.sum()), 0.8) + 1)
        final = best[:left] / best[:left].sum()
        assert [each["kept"] for each in step["stages"]] == [len(row), 40, left]
        assert [each["id"] for each in step["candidates"]] == order[:30].tolist()
        for rank, each in enumerate(step["candidates"]):
            assert each["logit"] == row[order[rank]]
            assert each["probability"] == pytest.approx(final[rank] if rank < left else 0, abs=1e-12)
            assert each["removed_by"] == (None if rank < left else "top_p" if rank < 40 else "top_k")
        draw = step["draw"]
        assert draw["u"] == draw["integer"] / 2**53
        assert draw["key"] == [7, 0] and draw["counter"] == [step["step"], 0, 0, 0]
        assert draw["low"] <= draw["u"] < draw["high"]
        assert draw["token"] == step["token"] == order[np.searchsorted(np.cumsum(final), draw["u"], "right")]
        edges = [edge for edge in (draw["low"], draw["high"]) if 0 < edge < 1]
        assert draw["margin"] == min((abs(draw["u"] - edge) for edge in edges), default=1)
        assert step["gap"] == row[order[0]] - row[order[1]]
        assert step["near_tie"] == (draw["margin"] < 0.001)
        assert_is_prediction(step["prediction"], row, step["token"])
        assert step["final_entropy_bits"] == pytest.approx(-(final * np.log2(final)).sum(), abs=1e-12)


def assert_is_prediction(prediction: dict, logits: np.ndarray, token: int) -> None:
    """Of the softmax of all logits; -infinity rules out. What is beyond the best 32 is added in float32."""
    normalizer = np.logaddexp.reduce(logits)
    logs = (logits - normalizer) / np.log(2)
    shares = np.exp2(logs)
    entropy = -(shares[shares > 0] * logs[shares > 0]).sum()
    assert prediction["entropy_bits"] == pytest.approx(entropy, abs=1e-6)
    assert prediction["log_sum_exp"] == pytest.approx(normalizer, abs=1e-7)
    assert prediction["probability"] == pytest.approx(shares[token], rel=1e-7)
    better = (logits > logits[token]) | ((logits == logits[token]) & (np.arange(len(logits)) < token))
    assert prediction["rank"] == np.count_nonzero(better)
    assert prediction["surprise_bits"] == pytest.approx(-logs[token], abs=2e-7)


def test_a_prediction_is_of_the_token_taken(model, tmp_path):
    trace = record(model, tmp_path, "--temperature", "0")
    more = ["--trace-logits", tmp_path / "run.f32"]
    good(pellucid("branch", trace, "--at", "3", "--take", "id:9", "--set", "logit_bias=5=-inf", *more))
    logits = np.fromfile(tmp_path / "run.f32", "<f4").reshape(-1, records(trace)[0]["model"]["n_vocab"]).astype(np.float64)
    taken, *others = steps(trace, 1)
    assert (taken["token"], taken["taken"]) == (9, True)
    assert taken["prediction"]["rank"] > 0
    for step in (taken, *others):
        assert_is_prediction(step["prediction"], logits[step["logits_row"]], step["token"])


def test_tracing_and_speculation_change_no_token(model, tmp_path):
    plain = json.loads(good(pellucid("generate", "the thing", "-m", model, "--seed", "7", "-n", "24", "--format", "json")))
    for more in (["--speculate"], ["--no-speculate"]):
        assert [step["token"] for step in steps(record(model, tmp_path, *more))] == plain["tokens"]
    assert "".join(step["text"] for step in steps(tmp_path / "run.jsonl")) == plain["text"]


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_leaves_a_trace_that_replays(tmp_path, how):
    trace = tmp_path / "run.jsonl"
    process = subprocess.Popen(
        [BINARY, "generate", "Once upon a time", "-n", "2000", "--ignore-eos", "--seed", "1", "--trace", trace],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not trace.exists() or trace.read_bytes().count(b"\n") < 8):
        time.sleep(0.01)
    process.send_signal(how)
    process.wait()
    killed = how == signal.SIGKILL
    assert process.returncode == (-signal.SIGKILL if killed else 130)
    assert records(trace)[-1].get("finish_reason") == (None if killed else "cancelled")
    assert f"{len(steps(trace))} steps" in good(pellucid("replay", trace))
    assert ("stopped before its end" if killed else "cancelled") in good(pellucid("tree", trace))


# --- replay -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_a_replay_confirms_every_step(model, tmp_path, options):
    trace = record(model, tmp_path, *options, "--threads", "2")
    for level in ("scalar", "avx2", "avxvnni", "avx512", "amx"):
        ended = pellucid("replay", trace, "--threads", "1", "--batch", "3", "--no-speculate", env={"PELLUCID_SIMD": level})
        if ended.code == 2 and "PELLUCID_SIMD" in ended.err:
            continue  # not on this processor
        n = len(steps(trace))
        assert f"the same, bit for bit: {n} step" in good(ended)
    shown = json.loads(good(pellucid("replay", trace, "--format", "json", "--threads", "3")))
    assert (shown["confirmed"], shown["threads"]) == (n, 3)


EDITS = [
    (lambda step: step.update(logits_hash="0" * 16), "step 5: the hash of the logits is"),
    (lambda step: step["stages"][1].update(kept=3, removed=258), "step 5: the stage top_k kept 50 of 261, recorded are 3"),
    (lambda step: step["stages"][2].update(threshold=0.5), "step 5: the stage top_p: the threshold is"),
    (lambda step: step["stages"].pop(), "step 5: the number of stages is 3, recorded is 2"),
    (lambda step: step["draw"].update(integer=1), "step 5: the draw's integer is"),
    (lambda step: step["draw"].update(u=0.25), "step 5: the draw's u is"),
    (lambda step: step.update(token=step["token"] ^ 1), "step 5: the token is"),
    (lambda step: step.update(text="x"), "step 5: the text is another"),
    (lambda step: step["candidates"][3].update(probability=0.125), "step 5: candidate 3 is another"),
    (lambda step: step.update(near_tie=not step["near_tie"]), "step 5: near_tie is"),
    (lambda step: step["prediction"].update(rank=7), "step 5: the prediction's rank is"),
    (lambda step: step["prediction"].update(entropy_bits=1), "step 5: the prediction's entropy_bits is"),
    (lambda step: step["prediction"].pop("surprise_bits"), "step 5: the prediction's surprise_bits is"),
    (lambda step: step.update(final_entropy_bits=0.5), "step 5: final_entropy_bits is"),
]


@pytest.mark.parametrize(("edit", "words"), EDITS, ids=[words for _, words in EDITS])
def test_an_edited_trace_is_found_out(model, tmp_path, edit, words):
    trace = record(model, tmp_path, tokens=12)
    edited = records(trace)
    edit(edited[1 + 5])
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), f"pellucid: error: the replay differs: {words}")


def test_a_trace_that_was_only_reformatted_is_the_same(model, tmp_path):
    trace = record(model, tmp_path)
    rewrite(trace, records(trace))
    good(pellucid("replay", trace))


def test_a_trace_from_before_predictions_were_recorded_replays(model, tmp_path):
    trace = record(model, tmp_path)
    older = records(trace)
    for step in older[1:-1]:
        del step["prediction"], step["final_entropy_bits"]
    rewrite(trace, older)
    good(pellucid("replay", trace))


def test_another_model_is_refused(model, tmp_path):
    trace = record(model, tmp_path)
    other = tiny_model.write(tmp_path / "other.gguf", seed=2)
    assert_failed(pellucid("replay", trace, "-m", other), "the model is another one", "recorded is")
    assert_failed(pellucid("branch", trace, "-m", other, "--at", "1", "--seed", "2"), "the model is another one")
    moved = tmp_path / "moved.gguf"
    moved.write_bytes(model.read_bytes())
    good(pellucid("replay", trace, "-m", moved))
    edited = records(trace)
    edited[0]["model"]["path"] = str(tmp_path / "gone.gguf")
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "gone.gguf")


# --- what-if ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["top_p=0.3", "temperature=0.5", "top_k=1", "min_p=0.3", "repetition_penalty=2", "seed"])
def test_what_if_is_a_run_until_the_first_change(model, tmp_path, change):
    trace = record(model, tmp_path)
    name, _, value = change.partition("=")
    asked = ["--seed", "8"] if name == "seed" else ["--set", change]
    result = json.loads(good(pellucid("what-if", trace, *asked, "--format", "json")))
    flags = [] if name == "seed" else ["--" + name.replace("_", "-"), value]
    seed = "8" if name == "seed" else "7"
    run = pellucid("generate", "the thing", "-m", model, "--seed", seed, "-n", "24", "--format", "json", *flags)
    tokens = json.loads(good(run))["tokens"]
    recorded = [step["token"] for step in steps(trace)]
    then = [step["what_if"]["token"] for step in result["steps"]]
    first = next((i for i, (a, b) in enumerate(zip(recorded, tokens, strict=False)) if a != b), None)
    assert result["first_change"] == result["conditional_after"] == first
    assert first is not None and then[: first + 1] == tokens[: first + 1]
    text = good(pellucid("what-if", trace, *asked, env={"COLUMNS": "60"}))
    assert f"changed at step {first}:" in text.replace("\n ", "").replace("  ", " ")
    assert max(map(len, text.splitlines())) <= 60


def test_what_if_with_nothing_changed_says_so_and_needs_no_model(model, tmp_path):
    copy = tmp_path / "model.gguf"
    copy.write_bytes(model.read_bytes())
    trace = record(copy, tmp_path)
    copy.unlink()
    ended = good(pellucid("what-if", trace, "--set", "top_k=50"))
    assert "The text would have been the same." in ended and ">" not in ended
    result = json.loads(good(pellucid("what-if", trace, "--set", "top_k=50", "--format", "json")))
    for step, then in zip(steps(trace), result["steps"], strict=True):
        kept = {key: then["what_if"][key] for key in ("draw", "stages", "logits_hash", "gap")}
        assert kept == {key: step[key] for key in kept}


def test_what_if_refuses_what_it_cannot_know(model, tmp_path):
    trace = record(model, tmp_path)
    assert_usage(pellucid("what-if", trace), "nothing is changed")
    assert_usage(pellucid("what-if", trace, "--set", "dry_multiplier=1"), "dry-multiplier", "tokenizer")
    assert_usage(pellucid("what-if", trace, "--set", "top_p=7"), "top-p", "between 0 and 1")
    assert_usage(pellucid("what-if", trace, "--set", "top_p"), "--set", "NAME=VALUE")
    assert_usage(pellucid("what-if", trace, "--seed", "1", "--branch", "1"), "there is no branch 1")
    (tmp_path / "run.f32").write_bytes((tmp_path / "run.f32").read_bytes()[:3000])
    assert_failed(pellucid("what-if", trace, "--seed", "1"), "there is no row 2")
    (tmp_path / "run.f32").write_bytes(bytes(261 * 4 * 24))
    assert_failed(pellucid("what-if", trace, "--seed", "1"), "row 0 is not the one that the trace recorded")
    (tmp_path / "run.f32").unlink()
    assert_failed(pellucid("what-if", trace, "--seed", "1"), "run.f32")
    bare = tmp_path / "bare.jsonl"
    good(pellucid("generate", "the", "-m", model, "-n", "2", "--trace", bare))
    assert_failed(pellucid("what-if", bare, "--seed", "1"), "--trace-logits")
    dry = record(model, tmp_path, "--dry-multiplier", "1")
    good(pellucid("what-if", dry, "--set", "dry_multiplier=2"))
    assert_usage(pellucid("what-if", dry, "--set", "dry_breakers=x"), "dry-multiplier", "tokenizer")


# --- branch and tree ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 9, 23])
def test_a_branch_with_nothing_changed_is_the_same_text(model, tmp_path, at):
    trace = record(model, tmp_path, "--mirostat", "2", "--adaptive-target", "0.3")
    before = steps(trace)
    result = json.loads(good(pellucid("branch", trace, "--at", str(at), "--set", "mirostat=2", "--format", "json")))
    assert result["tokens"] == [step["token"] for step in before]
    for again, step in zip(steps(trace, 1), before[at:], strict=True):
        for of_its_own in ("branch", "ms", "logits_row"):
            again.pop(of_its_own, None), step.pop(of_its_own, None)
        assert again == step


def test_branches_are_a_tree_in_one_file(model, tmp_path):
    trace = record(model, tmp_path)
    main = steps(trace)
    wanted = main[4]["candidates"][2]
    took = json.loads(good(pellucid("branch", trace, "--at", "4", "--take", "rank:2", "--format", "json")))
    by_id = json.loads(good(pellucid("branch", trace, "--at", "4", "--take", f"id:{wanted['id']}", "--format", "json")))
    assert took["tokens"][:4] == [step["token"] for step in main[:4]]
    assert took["tokens"] == by_id["tokens"] and took["tokens"][4] == wanted["id"]
    text = json.loads(good(pellucid("branch", trace, "--at", "6", "--take", "the", "--branch", "1", "--format", "json")))
    assert text["tokens"][:6] == took["tokens"][:6]
    assert text["tokens"][6] == 258  # "the", which the vocabulary has as one token
    good(pellucid("branch", trace, "--at", "2", "--take", "the thing!", "--set", "top_k=3", "--seed", "5", "-n", "12"))
    assert [step["taken"] for step in steps(trace, 4)].count(True) > 1
    assert len(steps(trace, 4)) == 12
    for branch in range(5):
        good(pellucid("replay", trace, "--branch", str(branch)))
    shown = json.loads(good(pellucid("tree", trace, "--format", "json")))["branches"]
    assert [each["parent"] for each in shown] == [None, 0, 0, 1, 0]
    assert shown[0]["branch_points"] == [2, 4]
    assert shown[4]["changes"] == ["top_k=3", "seed=5"]
    drawn = good(pellucid("tree", trace, env={"COLUMNS": "50"}))
    assert max(map(len, drawn.splitlines())) <= 50
    heads = [line for line in drawn.splitlines() if "─ " in line]
    assert [line.lstrip("│ ├└─")[0] for line in heads] == ["0", "4", "1", "3", "2"]
    assert heads[2].startswith("   ├─ 1") and heads[3].startswith("   │  └─ 3")


def test_what_if_follows_a_branch(model, tmp_path):
    trace = record(model, tmp_path)
    add = ["--trace-logits", tmp_path / "run.f32"]
    good(pellucid("branch", trace, "--at", "5", "--take", "rank:1", "--set", "top_k=9", *add))
    result = json.loads(good(pellucid("what-if", trace, "--branch", "1", "--set", "temperature=1", "--format", "json")))
    assert result["first_change"] is None and len(result["steps"]) == 24
    assert [step["kept"] for step in result["steps"][5:]] == [step["stages"][-1]["kept"] for step in steps(trace, 1)]


def test_a_branch_may_go_to_another_file(model, tmp_path):
    trace = record(model, tmp_path)
    before = trace.read_bytes()
    good(pellucid("branch", trace, "--at", "3", "--seed", "1", "-o", tmp_path / "copy.jsonl"))
    assert trace.read_bytes() == before
    assert (tmp_path / "copy.jsonl").read_bytes().startswith(before)
    good(pellucid("replay", tmp_path / "copy.jsonl", "--branch", "1"))
    unended = before.removesuffix(b"\n")
    trace.write_bytes(unended)  # an editor took the last line break
    good(pellucid("branch", trace, "--at", "3", "--seed", "1"))
    good(pellucid("tree", trace))


def test_one_branch_at_a_time(model, tmp_path):
    trace = record(model, tmp_path)
    with trace.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert_failed(pellucid("branch", trace, "--at", "3", "--seed", "1"), "another program is writing it")
        good(pellucid("replay", trace))
        good(pellucid("branch", trace, "--at", "3", "--seed", "1", "-o", tmp_path / "copy.jsonl"))
    good(pellucid("branch", trace, "--at", "3", "--seed", "1"))


def test_a_trace_that_is_being_written_gets_no_branch(model, tmp_path):
    trace = record(model, tmp_path)
    with trace.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = ["generate", "the", "-m", model, "-n", "2", "--trace", trace]
        assert_failed(pellucid(*command), "another program is writing it")
    good(pellucid(*command))
    good(pellucid(*command[:-1], "/dev/null"))


def test_a_replay_is_of_every_branch(model, tmp_path):
    trace = record(model, tmp_path)
    good(pellucid("branch", trace, "--at", "20", "--seed", "1"))
    assert "2 texts, 28 steps" in good(pellucid("replay", trace))
    edited = records(trace)
    next(one for one in edited if one.get("branch") == 1 and "draw" in one)["draw"]["rank"] += 1
    rewrite(trace, edited)
    assert_failed(pellucid("replay", trace), "the replay of 1 differs")
    good(pellucid("replay", trace, "--branch", "0"))


def test_branches_that_cannot_be(model, tmp_path):
    trace = record(model, tmp_path)
    before = trace.read_bytes()
    assert_usage(pellucid("branch", trace, "--at", "3"), "nothing is changed")
    assert_usage(pellucid("branch", trace, "--seed", "3"), "--at")
    assert_usage(pellucid("branch", trace, "--at", "24", "--seed", "3"), "there is no step 24")
    assert_usage(pellucid("branch", trace, "--at", "3", "--branch", "4", "--seed", "3"), "there is no branch 4")
    assert_usage(pellucid("branch", trace, "--at", "3", "--take", ""), "--take", "empty")
    assert_usage(pellucid("branch", trace, "--at", "3", "--take", "rank:10"), "there is no rank 10")
    assert_usage(pellucid("branch", trace, "--at", "3", "--take", "rank:x"), "whole number")
    assert_usage(pellucid("branch", trace, "--at", "3", "--take", "id:261"), "261 is not a token")
    assert_usage(pellucid("branch", trace, "--at", "3", "--set", "top_k=-1"), "top-k")
    assert_usage(pellucid("branch", trace, "--at", "3", "--set", "bad_words=999"), "bad-words", "999")
    other = tmp_path / "other.f32"
    other.write_bytes(b"precious")
    assert_usage(pellucid("branch", trace, "--at", "3", "--seed", "3", "--trace-logits", other), "--trace-logits")
    assert other.read_bytes() == b"precious"
    assert trace.read_bytes() == before
