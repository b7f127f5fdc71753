"""scripts/check_layers.py on small trees, each with one defect that it has to name."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_layers.py"
spec = importlib.util.spec_from_file_location("check_layers", SCRIPT)
check_layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_layers)

OPENING = "// A file of the test tree, with a comment that is long enough.\n"
CLEAN = {
    "src/base/error.h": OPENING,
    "src/gguf/reader.h": OPENING + '#include "base/error.h"\n',
    "src/gguf/reader.cpp": '#include "gguf/reader.h"\n\n#include <vector>\n',
    "src/model/model.h": OPENING + '#include "gguf/reader.h"\n',
    "src/cli/main.cpp": '#include "model/model.h"\n#include "bridge/bridge.h"\n',
    "src/gguf/CMakeLists.txt": "pellucid_layer(gguf LINKS pellucid_base)  # not pellucid_model\n",
    "bridge/bridge.h": OPENING,
    "tests/gguf/reader_test.cpp": '#include "gguf/reader.h"\n#include "model/model.h"\n',
}


@pytest.fixture(autouse=True)
def no_excuses(monkeypatch):
    monkeypatch.setattr(check_layers, "LONGER", {})


def function_of(lines: int, head: str = "int f(int x)") -> str:
    return head + " {\n" + "  ++x;\n" * (lines - 2) + "}\n"


def run(tmp_path: Path, capsys, changes: dict[str, str]) -> tuple[int, str]:
    for name, text in (CLEAN | changes).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    status = check_layers.main(tmp_path)
    return status, capsys.readouterr().err


def test_a_clean_tree_passes(tmp_path, capsys):
    assert run(tmp_path, capsys, {}) == (0, "")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "src/sampling/chain.cpp",
            '#include "base/error.h"\n#include "model/model.h"\n',
            'src/sampling/chain.cpp:2: sampling may not include "model/model.h"',
        ),
        (
            "src/model/forward.cpp",
            '#include "../cli/main.cpp"\n',
            'src/model/forward.cpp:1: model may not include "../cli/main.cpp"',
        ),
        (
            "src/base/error.cpp",
            '#include "bridge/bridge.h"\n',
            'src/base/error.cpp:1: base may not include "bridge/bridge.h"',
        ),
        (
            "src/gguf/a.cpp",
            '#include "gguf/gone.h"\n',
            'src/gguf/a.cpp:1: include "gguf/gone.h" leads nowhere',
        ),
        ("src/studio/a.cpp", "int a;\n", "src/studio/a.cpp:1: layer 'studio' is not in ALLOWED"),
        ("src/base/bare.h", "#pragma once\n", "src/base/bare.h:1: no opening comment says what the file is"),
        ("src/base/long.cpp", "int x;\n" * 501, "src/base/long.cpp:1: long.cpp has 501 lines, more than 500"),
        ("src/base/f.cpp", "\n" + function_of(61), "src/base/f.cpp:2: f.cpp:f has 61 lines, more than 60"),
        (
            "scripts/f.py",
            "def f():\n" + "    pass\n" * 60,
            "scripts/f.py:1: f.py:f has 61 lines, more than 60",
        ),
        (
            "src/gguf/CMakeLists.txt",
            "pellucid_layer(gguf LINKS pellucid_model)\n",
            "src/gguf/CMakeLists.txt:1: gguf may not link pellucid_model",
        ),
    ],
)
def test_a_defect_is_named(tmp_path, capsys, name, text, problem):
    status, errors = run(tmp_path, capsys, {name: text})
    assert status == 1
    assert errors.splitlines() == [problem]


def test_a_cycle_of_includes_is_found(tmp_path, capsys):
    ring = {f"src/base/{a}.h": OPENING + f'#include "base/{b}.h"\n' for a, b in ("ab", "bc", "ca")}
    status, errors = run(tmp_path, capsys, ring)
    assert status == 1
    assert "include cycle" in errors
    assert all(name in errors for name in ring)


def test_an_excuse_that_is_no_longer_needed_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(check_layers, "LONGER", {"src/base/f.cpp:f": "a table that reads best in one piece"})
    assert run(tmp_path, capsys, {"src/base/f.cpp": function_of(61)}) == (0, "")
    status, errors = run(tmp_path, capsys, {"src/base/f.cpp": function_of(60)})
    assert (status, errors) == (1, "LONGER: src/base/f.cpp:f no longer needs its exception\n")


def test_functions_are_found_whatever_surrounds_them():
    text = '''
#define OPEN {
namespace a::b {
// a comment with a {
const char* text = "{ \\" {"; const char brace = '{'; const int number = 1'000;
constexpr int kTable[] = {
  1,
  2,
};
struct S {
  int get() const { return x_; }
  S(int x) : x_{x}, y_{0} {
    if (x > 0) {
      ++y_;
    }
  }
  int x_, y_;
};
template <typename T>
auto apply(T f) -> decltype(f()) {
  return [&] { return f(); }();
}
}  // namespace a::b
TEST(Reader, Refuses) {
  EXPECT_EQ(R"(})", "}");
}
'''
    assert check_layers.cpp_functions(text) == [
        ("get", 11, 1),
        ("S", 12, 5),
        ("apply", 19, 4),
        ("TEST", 24, 3),
    ]
