"""The documentation shows what the program prints: every command of every transcript runs, and its output is compared."""

import sys

import pytest
from test_bad_input import REAL_MODEL, ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import transcripts  # noqa: E402

PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if transcripts.entries(path.read_text())]


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_shows_is_what_the_program_prints(path, tmp_path):
    found = transcripts.differences(path.read_text(), tmp_path)
    assert not found, "\n".join(found)


def test_the_pages_that_teach_have_transcripts():
    assert {"README.md", "generation.md"} <= {path.name for path in PAGES}
    assert len(transcripts.entries((ROOT / "docs/generation.md").read_text())) >= 20


PAGE = """# A page
```console
$ echo one; echo two
one
two
$ printf 'a\\nb\\nc\\n' \\
    | tac
c
…
```
```console
echo no transcript
```
"""


def test_a_page_is_read_as_it_is_meant(tmp_path):
    assert [(each.command, each.shown) for each in transcripts.entries(PAGE)] == [
        ("echo one; echo two", "one\ntwo\n"),
        ("printf 'a\\nb\\nc\\n'     | tac", "c\n…\n"),
    ]
    assert transcripts.differences(PAGE, tmp_path) == []
    assert transcripts.written(PAGE, tmp_path) == PAGE


@pytest.mark.parametrize(("before", "after"), [("\ntwo\n", "\nthree\n"), ("\nc\n", "\nb\n"), ("two\n$", "two\n\n$"), ("one\ntwo\n$", "one\n$")])
def test_a_page_that_lies_is_found_and_put_right(tmp_path, before, after):
    lie = PAGE.replace(before, after)
    assert lie != PAGE and len(transcripts.differences(lie, tmp_path)) == 1
    right = transcripts.written(lie, tmp_path)
    assert transcripts.differences(right, tmp_path) == []


def test_a_command_that_fails_is_no_transcript(tmp_path):
    with pytest.raises(RuntimeError, match="ends with 3"):
        transcripts.differences("```console\n$ exit 3\n```\n", tmp_path)
