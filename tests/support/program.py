"""Running the program: in this process where that is enough, else as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.cli.main import main


@dataclass(frozen=True)
class Ended:
    """What a run left."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of stderr that says what failed."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0]


def streamfer(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Runs the command line in this process."""
    capfd.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err, out + err
    return Ended(code, out, err)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts the program as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "streamfer", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def record_lines(path: Path) -> list[dict[str, Any]]:
    """Every line of a JSONL file of records, header first."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def frame_records(path: Path, stream: str | None = None) -> list[dict[str, Any]]:
    """The frames' records, of one stream or of all."""
    return [
        line
        for line in record_lines(path)
        if "frame" in line and (stream is None or line["stream"] == stream)
    ]
