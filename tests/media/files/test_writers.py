"""Nothing that a run writes is opened but through a path that was claimed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamfer

PACKAGE = Path(streamfer.__file__).parent
ROOMS = ("media", "pipeline", "app")
TAKE_A_CLAIMED_PATH = {"claims.py", "output_file.py", "parquet_file.py"}
NO_OUTPUTS = {
    *("weights.py", "download.py", "screen_relay.py", "standard_streams.py", "invert.py"),
    *("live_sound.py", "animation.py", "audio_trial.py", "encoder.py", "tone.py"),
}
"""They write weights, a pipe, nothing at all, or the results of another command, held against its
inputs there; the others memory, or a temporary file of their own."""
WRITERS = {"write_text", "write_bytes", "ParquetWriter", "imwrite", "save", "savez", "tofile"}
_INTO_OUTPUT_FILE = ("av.open(self._output,", "av.open(output_file,")
"""An `OutputFile`, which takes a claimed path."""


def writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "open":  # a plain `write_text` is streamfer's own, which takes a claimed path
        return name in WRITERS and not (name == "write_text" and isinstance(call.func, ast.Name))
    if ast.unparse(call).startswith(_INTO_OUTPUT_FILE):
        return False
    texts = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if is_text(a)]
    return any(set(text) & set("wax+") and set(text) <= set("rwaxbt+") for text in texts)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def writing_lines(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and writes(node):
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_no_output_is_opened_past_the_claims() -> None:
    found = [
        line
        for room in ROOMS
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if path.name not in TAKE_A_CLAIMED_PATH | NO_OUTPUTS
        for line in writing_lines(path)
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(TAKE_A_CLAIMED_PATH))
def test_the_search_finds_what_there_is(name: str) -> None:
    (path,) = (PACKAGE / "media").rglob(name)
    assert list(writing_lines(path))


@pytest.mark.parametrize(
    "writer", ["VideoWriter", "LatentWriter", "SubtitleWriter", "open_records"]
)
def test_a_run_s_writers_share_its_claims(writer: str) -> None:
    calls = [
        node
        for path in (PACKAGE / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == writer
    ]
    assert calls
    for call in calls:
        assert "claims" in ast.unparse(call)
