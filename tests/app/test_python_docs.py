"""The page about Python: its examples run, and none of the public names is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import streamfer

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_public_name_is_in_an_example() -> None:
    examples = "\n".join(BLOCKS)
    for name in streamfer.__all__:
        if not name.startswith("__"):
            assert re.search(rf"\b{name}\b", examples), name


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "did you mean 'max_frames'?" in printed
    assert (tmp_path / "faces.jsonl").exists()
