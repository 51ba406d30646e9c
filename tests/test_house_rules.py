"""Files and functions stay short enough to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(path for part in ("streamfer", "tests") for path in (ROOT / part).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def functions(text: str) -> list[tuple[str, int]]:
    """Names of functions and the lines from `def` to their end."""
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert len(lengths) > 100
    assert {str(path): n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}": length
        for path in FILES
        for name, length in functions(path.read_text("utf-8"))
        if length > LONGEST_FUNCTION
    }
    assert found == {}


def test_lengths_count_the_docstring() -> None:
    text = "class A:\n    async def f(self):\n        '''says\n        much'''\n        return 1\n"
    assert functions(text) == [("f", 4)]
