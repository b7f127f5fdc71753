#!/usr/bin/env python3
"""Checks the shape of the source tree, and reports its size. Layers that nothing checks decay.

Refused: an include or a CMake link against the arrows of ARCHITECTURE.md, an include that leads nowhere, a
cycle of includes, a file above MAX_FILE lines, a function above MAX_FUNCTION lines, and a header without an
opening comment. usage: check_layers.py [ROOT]
"""

import ast
import re
import sys
from pathlib import Path

MAX_FILE, MAX_FUNCTION, MIN_OPENING = 500, 60, 30  # lines, lines, characters

# Layer -> the layers whose headers it may include, besides its own. `bridge` lies beside src.
ALLOWED = {
    "base": set(),
    "gguf": {"base"},
    "kernels": {"base"},
    "sampling": {"base"},
    "bridge": {"base"},
    "tokenizer": {"base", "gguf"},
    "model": {"base", "gguf", "kernels"},
    "generation": {"base", "gguf", "kernels", "tokenizer", "model", "sampling", "bridge"},
    "trace": {"base", "gguf", "kernels", "tokenizer", "model", "sampling", "bridge", "generation"},
    "cli": {"base", "gguf", "kernels", "tokenizer", "model", "sampling", "bridge", "generation", "trace"},
}

# (file, or file:function) -> why it may be longer. An entry that is no longer needed is refused too.
LONGER: dict[str, str] = {
    "tests/bridge/hostile_test.cpp:bombs": "a list of templates",
    "tests/bridge/hostile_test.cpp:TEST": "a list of templates",
    "tests/sampling/every_stage.h:words_of": "a row for each stage",
    "tests/sampling/expected.h:after_stage": "a row for each stage",
}

CPP = {".h", ".cpp", ".inl"}
SKIPPED = {"target", "build", "corpus", "__pycache__", "node_modules"}
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|R"(?P<d>\w*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",  # not the apostrophe within 1'000
    re.S,
)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
OPENS_SCOPE = re.compile(
    r"\b(namespace|class|struct|union|enum|extern)\b"
    r"(?!.*\)\s*(const|noexcept|->|$))",  # a function that returns a struct by that word
    re.S,
)


def source_files(root: Path) -> list[Path]:
    """Every file of code below the folders of the project, relative to root."""
    found = []
    for folder in ("src", "bridge", "tests", "bench", "fuzz", "scripts"):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in CPP | {".py", ".rs", ".sh", ".js", ".mjs", ".css", ".html"} and not SKIPPED & set(relative.parts):
                found.append(relative)
    return found


def layer_of(path: Path) -> str | None:
    """The layer that a file belongs to, or None where no arrow binds it (tests, benchmarks, scripts)."""
    return path.parts[1] if path.parts[0] == "src" else "bridge" if path.parts[0] == "bridge" else None


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def included(root: Path, path: Path, text: str) -> list[tuple[int, str, Path | None]]:
    """(line, spelling, file or None) of each include in quotes, looked up as the compiler would."""
    found = []
    for match in INCLUDE.finditer(text):
        tried = (path.parent / match[1], Path("src") / match[1], Path("tests") / match[1], Path(match[1]))
        target = next((each for each in tried if (root / each).is_file()), None)
        target = target and (root / target).resolve().relative_to(root.resolve())
        found.append((line_of(text, match.start()), match[1], target))
    return found


def check_edges(path: Path, includes) -> list[str]:
    layer, problems = layer_of(path), []
    if path.parts[0] == "src" and layer not in ALLOWED:
        problems.append(f"{path}:1: layer '{layer}' is not in ALLOWED")
    for line, spelling, target in includes:
        if target is None:
            problems.append(f"{path}:{line}: include \"{spelling}\" leads nowhere")
        elif layer in ALLOWED and (to := layer_of(target)) != layer and to not in ALLOWED[layer]:
            problems.append(f"{path}:{line}: {layer} may not include \"{spelling}\"")
    return problems


def check_links(root: Path) -> list[str]:
    """A layer's CMake library links no layer that its sources may not include."""
    problems = []
    for layer, allowed in ALLOWED.items():
        folder = Path("bridge") if layer == "bridge" else Path("src") / layer
        if (root / folder / "CMakeLists.txt").is_file():
            text = re.sub(r"#[^\n]*", "", (root / folder / "CMakeLists.txt").read_text())
            for linked in set(re.findall(r"\bpellucid_(\w+)", text)) & set(ALLOWED) - allowed - {layer}:
                problems.append(f"{folder}/CMakeLists.txt:1: {layer} may not link pellucid_{linked}")
    return problems


def cycles(graph: dict[Path, list[Path]]) -> list[list[Path]]:
    """The strongly connected components with an edge inside (Tarjan 1972)."""
    index: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found = []

    def visit(node: Path) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, []):
            if target not in index:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1 or node in graph.get(node, []):
                found.append(component)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def blank(match: re.Match) -> str:
    """As many newlines as the match, so that line numbers stay."""
    return " " + "\n" * match[0].count("\n")


def cpp_functions(text: str) -> list[tuple[str, int, int]]:
    """(name, first line, lines) of each function body that lies directly in namespaces and classes.

    Heuristic: braces are matched outside of comments, strings and the preprocessor; what stands before an
    opening brace says whether it opens a scope, a function (there is a parameter list) or a list of values.
    """
    text = PREPROCESSOR.sub(blank, COMMENT_OR_STRING.sub(blank, text))
    found, stack, start = [], [], 0  # the stack holds (is it a scope, head, where the head starts)
    last = ("", 0)
    for match in re.finditer(r"[{};]", text):
        head = text[start : match.start()]
        if match[0] == "{":
            head_start = start + len(head) - len(head.lstrip())
            inside = all(is_scope for is_scope, _, _ in stack)
            if inside and last[0] and re.fullmatch(r"\s*(,\s*\w+\s*)?", head):  # `: a_{1}, b_{2} {`
                head, head_start = last
                found = [each for each in found if each[1] != line_of(text, head_start)]
            is_scope = inside and bool(OPENS_SCOPE.search(head))
            stack.append((is_scope, head if inside and not is_scope else "", head_start))
            last = ("", 0)
        elif match[0] == "}" and stack:
            _, opened, opened_at = stack.pop()
            name = re.search(r"([\w~:]+|operator\W+)\s*\(", opened)
            if name and not re.search(r"=\s*$|^\s*(inline |static |constexpr )*\w+ \w+\[", opened):
                first, end = line_of(text, opened_at), line_of(text, match.start())
                found.append((name[1], first, end - first + 1))
            last = (opened, opened_at)
        else:
            last = ("", 0)
        start = match.end()
    return found


def python_functions(text: str) -> list[tuple[str, int, int]]:
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, node.lineno, node.end_lineno - node.lineno + 1) for node in nodes]


def check_sizes(path: Path, text: str, functions, excused: set[str]) -> list[str]:
    problems, lines = [], text.count("\n")
    long_ones = [(f"{path}", 1, lines, MAX_FILE)] if lines > MAX_FILE else []
    long_ones += [(f"{path}:{name}", at, n, MAX_FUNCTION) for name, at, n in functions if n > MAX_FUNCTION]
    for key, line, length, limit in long_ones:
        if key in LONGER:
            excused.add(key)
        else:
            problems.append(f"{path}:{line}: {key.rpartition('/')[2]} has {length} lines, more than {limit}")
    return problems


def check_opening(path: Path, text: str) -> list[str]:
    opening = re.match(r"(?://[^\n]*\n)+|/\*.*?\*/", text, re.S)
    if path.suffix not in {".h", ".inl"} or (opening and len(opening[0]) >= MIN_OPENING):
        return []
    return [f"{path}:1: no opening comment says what the file is"]


def report(sizes: dict[str, list[tuple[int, Path]]], longest: tuple[int, str]) -> None:
    for group, files in sizes.items():
        lines, (most, path) = sum(n for n, _ in files), max(files)
        print(f"{group:14} {len(files):4} files {lines:7,} lines, the largest {most:4} {path}")
    print(f"the longest function has {longest[0]} lines: {longest[1]}")


def main(root: Path) -> int:
    problems, graph, sizes, longest, excused = check_links(root), {}, {}, (0, ""), set()
    for path in source_files(root):
        text = (root / path).read_text()
        functions = python_functions(text) if path.suffix == ".py" else []
        if path.suffix in CPP:
            includes = included(root, path, text)
            graph[path] = [target for _, _, target in includes if target]
            functions = cpp_functions(text)
            problems += check_edges(path, includes) + check_opening(path, text)
        problems += check_sizes(path, text, functions, excused)
        group = "/".join(path.parts[: 2 if path.parts[0] == "src" else 1])
        sizes.setdefault(group, []).append((text.count("\n"), path))
        longest = max([longest] + [(n, f"{path}:{line} {name}") for name, line, n in functions])
    problems += [f"{cycle[0]}:1: include cycle {' -> '.join(map(str, cycle))}" for cycle in cycles(graph)]
    problems += [f"LONGER: {key} no longer needs its exception" for key in LONGER.keys() - excused]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    report(sizes, longest)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)))
