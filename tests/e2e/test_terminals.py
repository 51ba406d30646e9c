"""What is wrong with the terminal stops no run and spoils no output."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.e2e.test_signals import wait_for_records
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records
from tests.support.terminal import in_terminal


def frames_in(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_closed_terminal_ends_the_run_well(tmp_path: Path) -> None:
    output, records = tmp_path / "demo.mp4", tmp_path / "demo.jsonl"
    options = ("--no-display", "--output", output, "--records", records)
    with in_terminal("run", "demo:", "--loop", 1000, *options) as (process, terminal):
        wait_for_records(records, process, 20)
        terminal.close()
        assert process.wait(60) == 130
    frames = frame_records(records)
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert frames_in(output) == len(frames)


@pytest.mark.parametrize("terminal", [">/dev/full 2>/dev/full", ">&- 2>&-", "2>&1 | head -c 1"])
def test_a_terminal_that_takes_nothing_stops_no_run(terminal: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=3))
    output, records, code = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "code"
    command = [sys.executable, "-m", "streamfer", "run", str(clip), "--no-display", "--no-refine"]
    command += ["--output", str(output), "--records", str(records), "--log-level", "debug"]
    script = f"{{ {shlex.join(command)}; echo $? >{shlex.quote(str(code))}; }} {terminal}"
    subprocess.run(["sh", "-c", script], capture_output=True, timeout=120)
    assert code.read_text().strip() == "0"
    assert len(frame_records(records)) == frames_in(output) == 3


def test_a_terminal_without_the_characters_shows_others(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "話す😀.mp4", ClipSpec(frames=3))
    records = tmp_path / "out.jsonl"
    options = ("--no-display", "--no-refine", "--records", records)
    environment = {"PYTHONIOENCODING": "latin-1"}
    with in_terminal("run", clip, *options, environment=environment) as (process, terminal):
        assert process.wait(120) == 0
        terminal.wait_for(b"3 frames in")
    assert len(frame_records(records)) == 3
    assert frame_records(records)[0]["stream"] == "話す😀"
