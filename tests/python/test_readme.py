"""The README offers commands that exist, and the pages link to files that are there. See test_transcripts.py."""

import os
import re

import pytest
from test_bad_input import ROOT, pellucid

README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(os.listdir(ROOT / "docs"))]


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
