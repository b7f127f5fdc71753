"""The file that `pellucid plot` writes, read as HTML. What it shows in a browser is tests/web's."""

import json
import os
import pty
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_bad_input import assert_failed, assert_usage, pellucid
from test_trace import good, model, record, records, rewrite, steps  # noqa: F401 (model is a fixture)


class Page(HTMLParser):
    """The elements of a page, and the text within its scripts."""

    def __init__(self, html: str):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            self.scripts[-1] += data

    @property
    def data(self) -> dict:
        return json.loads(self.scripts[0])


def page_of(trace: Path) -> Page:
    return Page(good(pellucid("plot", trace)))


def test_the_page_holds_the_trace(model, tmp_path):
    trace = record(model, tmp_path, seed=2**64 - 1)
    good(pellucid("branch", trace, "--at", "3", "--set", "top_p=0.5", "--seed", "5", "-n", "9"))
    data = page_of(trace).data
    header = records(trace)[0]
    for field in ("model", "machine", "prompt", "pellucid", "end_ids"):
        assert data[field] == header[field]
    for number, branch in enumerate(data["branches"]):
        assert branch["steps"] == steps(trace, number)
        assert branch["end"]["finish_reason"] == "length"
    main, other = data["branches"]
    assert (main["seed"], main["changes"]) == (str(2**64 - 1), [])
    assert main["settings_text"] == "temperature=1, top_k=50, top_p=0.95"
    assert (other["parent"], other["at"], other["changes"]) == (0, 3, ["top_p=0.5", "seed=5"])


def test_settings_that_are_not_the_defaults_are_named(model, tmp_path):
    trace = record(model, tmp_path, "--temperature", "0.5", "--min-p", "0.1", "--dialect", "llamacpp", tokens=2)
    text = page_of(trace).data["branches"][0]["settings_text"]
    assert text.startswith("temperature=0.5, top_k=40, top_p=0.95, ") and "min_p=0.1" in text and "order=" in text


def test_nothing_leads_out_of_the_page(model, tmp_path):
    elements = page_of(record(model, tmp_path)).elements
    assert not [each for each in elements if {"src", "href", "action", "srcset", "data"} & set(each[1])]
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {name for name, _ in elements}
    [policy] = [attrs["content"] for _, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")


def test_no_text_of_a_trace_becomes_part_of_the_page(model, tmp_path):
    trace = record(model, tmp_path, tokens=4)
    plain = page_of(trace)
    edited = records(trace)
    nasty = "</script><script>alert(1)</script><!-- <script> ]]> {{trace}} \u2028 \\u003c & <img src=x onerror=alert(1)>"
    edited[0]["prompt"]["text"] = edited[1]["piece"] = edited[2]["candidates"][0]["piece"] = nasty
    edited[0]["model"]["path"] = edited[-1]["finish_reason"] = edited[3]["stages"][0]["name"] = nasty
    rewrite(trace, edited)
    page = page_of(trace)
    assert page.elements == plain.elements
    assert page.scripts[1:] == plain.scripts[1:]
    assert page.data["prompt"]["text"] == page.data["branches"][0]["steps"][0]["piece"] == nasty


def test_sets_of_allowed_tokens_are_left_out(model, tmp_path):
    trace = record(model, tmp_path, "--regex", "[a-z]+", tokens=3)
    assert "set" in steps(trace)[0]["allowed"]
    for step in page_of(trace).data["branches"][0]["steps"]:
        assert set(step["allowed"]) == {"count", "hash"}


def test_a_file_is_the_same_as_standard_output(model, tmp_path):
    trace, html = record(model, tmp_path), tmp_path / "run.html"
    ended = pellucid("plot", trace, "-o", html)
    assert (ended.code, ended.out, ended.err) == (0, b"", f"[24 steps -> {html}]\n")
    assert html.read_bytes() == pellucid("plot", trace).out


def test_a_terminal_gets_no_page(model, tmp_path):
    trace = record(model, tmp_path, tokens=1)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        assert_usage(pellucid("plot", trace, stdout=terminal), "--output", "terminal")
    os.close(ours)


def test_places_where_no_page_can_be_written(model, tmp_path):
    trace = record(model, tmp_path, tokens=1)
    before = trace.read_bytes()
    (tmp_path / "link.html").symlink_to(trace)
    assert_usage(pellucid("plot", trace, "-o", trace), "--output", "trace itself")
    assert_usage(pellucid("plot", trace, "-o", tmp_path / "link.html"), "--output", "trace itself")
    assert_failed(pellucid("plot", trace, "-o", tmp_path), "cannot write")
    assert_failed(pellucid("plot", trace, "-o", tmp_path / "none" / "run.html"), "none/run.html")
    assert_failed(pellucid("plot", trace, "-o", "/dev/full"), "/dev/full")
    assert trace.read_bytes() == before
    with open("/dev/full", "wb") as full:
        assert_failed(pellucid("plot", trace, stdout=full), "standard output")


def test_a_bad_trace_leaves_the_page_that_was_there(model, tmp_path):
    trace, html = record(model, tmp_path, tokens=1), tmp_path / "run.html"
    html.write_text("precious")
    trace.write_text("{}")
    assert_failed(pellucid("plot", trace, "-o", html), "line 1")
    assert html.read_text() == "precious"


@pytest.mark.parametrize("arguments", [[], ["--branch", "1"], ["run.jsonl", "-o"], ["run.jsonl", "more.jsonl"]])
def test_wrong_usage(arguments):
    assert_usage(pellucid("plot", *arguments))
