"""Signals end a run with its outputs closed, whole and playable."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import av
import pytest

from tests.support.program import record_lines, start


def wait_for_records(path: Path, process: subprocess.Popen[str], lines: int) -> None:
    """Waits until the run has written so many lines."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)  # polls another process's file


@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2)],
)
def test_a_signal_closes_everything(tmp_path: Path, number: signal.Signals, times: int) -> None:
    output, records = tmp_path / "demo.mp4", tmp_path / "demo.jsonl"
    process = start(
        "run", "demo:", "--loop", 1000, "--no-display", "--output", output, "--records", records
    )
    try:
        wait_for_records(records, process, 20)
        for _ in range(times):
            process.send_signal(number)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    frames = [line for line in record_lines(records) if "frame" in line]
    with av.open(str(output)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
    assert decoded == len(frames) if times == 1 else abs(decoded - len(frames)) <= 8
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))


def frames_before_the_cut(video: Path) -> int:
    """Frames that a killed run's video holds: what was being written then may end in the middle."""
    frames = 0
    with av.open(str(video)) as container:
        for packet in container.demux(video=0):
            try:
                frames += len(packet.decode())
            except av.error.InvalidDataError:
                break
    return frames


def test_a_killed_run_leaves_playable_video_and_whole_lines(tmp_path: Path) -> None:
    output, records = tmp_path / "demo.mp4", tmp_path / "demo.jsonl"
    process = start(
        "run", "demo:", "--loop", 1000, "--no-display", "--output", output, "--records", records
    )
    wait_for_records(records, process, 80)
    process.kill()
    process.communicate()
    written = records.read_text()
    whole = written[: written.rindex("\n") + 1]
    records.write_text(whole)
    frames = [line for line in record_lines(records) if "frame" in line]
    decoded = frames_before_the_cut(output)
    # At most a second of frames sits between the records and the video's last whole fragment.
    assert len(frames) - decoded <= 40
    assert decoded > 0
