"""The README shows what the program prints, offers commands that exist, and links to files that are there."""

import os
import re
import shlex

import pytest
from test_bad_input import REAL_MODEL, ROOT, pellucid

README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(os.listdir(ROOT / "docs"))]


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
def test_the_transcript_is_what_the_program_prints():
    prompt, shown = re.search(r'```console\n\$ pellucid explain "(.*)" --seed 1\n(.*?)```', README, re.S).groups()
    ended = pellucid("explain", prompt, "--seed", "1", env={"COLUMNS": "80"})
    assert ended.code == 0, ended
    assert ended.out.decode() == shown


@pytest.mark.skipif(not REAL_MODEL.exists(), reason="the default model is not in the cache")
def test_the_branches_are_what_the_program_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```console\n(\$ pellucid generate .*?)```", README, re.S)[1]
    for command, shown in re.findall(r"^\$ pellucid (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
        ended = pellucid(*shlex.split(command), env={"COLUMNS": "80"})
        assert (ended.code, ended.out.decode()) == (0, shown), ended


@pytest.mark.parametrize("line", re.findall(r"^(pellucid .*)$", README, re.M))
def test_commands_and_their_options_exist(line):
    command = line.split("#")[0].split()
    known = pellucid(command[1], "--help").out.decode()
    for option in (word for word in command if re.fullmatch(r"--?[a-z][a-z-]*", word)):
        assert re.search(rf"(^|[ ,]){option}\b", known, re.M), option


@pytest.mark.parametrize("page", [name for name in PAGES if name.endswith(".md")])
def test_links_lead_somewhere(page):
    path = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
