"""Ctrl-C: exit status 130, and neither half a file nor half a result."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tiny_model
from test_bad_input import BINARY, HANG_SECONDS


@pytest.fixture
def tiny(tmp_path_factory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def test_an_interrupt_leaves_no_half_of_a_file(tmp_path):
    model = tiny_model.write(tmp_path / "tiny.gguf", settings={"context_length": 1 << 16})
    words = "the " * 20000
    command = [BINARY, "logits", "-m", model, "-o", tmp_path / "out.npy", "--batch", "1", "-t", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(words.encode())
    process.stdin.close()
    while not (tmp_path / "out.npy.part").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_SECONDS) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_an_interrupted_perplexity_says_nothing(tiny, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the " * 100_000)
    reader, terminal = os.openpty()  # on one there is progress, by which Ctrl-C has become a flag
    command = [BINARY, "perplexity", text, "-m", tiny, "--window", "64", "-t", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    assert b"window" in os.read(reader, 100)
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_SECONDS) == 130
    os.close(reader)
    assert process.stdout.read() == b""


def test_an_interrupted_bench_ends_as_the_others(tiny):
    command = [BINARY, "bench", "-m", tiny, "-p", "8", "-n", "8", "-t", "1", "-r", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"kernels: ")
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_SECONDS) == 130
    assert b"prefill" not in process.stdout.read()
    assert process.stderr.read() == b""
