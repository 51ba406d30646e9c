"""A run whose configuration file changes: SIGHUP has its sources read again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.program import frame_records, record_lines, start


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)  # polls another process's files


def test_sources_come_and_go_with_the_file(tmp_path: Path) -> None:
    config, records = tmp_path / "run.toml", tmp_path / "out"

    def write(*sizes: int) -> None:
        graphs = ", ".join(f'"lavfi:testsrc2=size={size}x48:rate=5"' for size in sizes)
        config.write_text(
            f'source = [{graphs}]\nrecords = "out/{{stream}}.jsonl"\nrefine = false\n'
            "realtime = true\n"
        )

    def has_frames(stream: str) -> bool:
        path = records / f"{stream}.jsonl"
        return path.exists() and path.read_bytes().count(b"\n") > 3

    write(64)
    process = start("run", "--config", config, "--no-display")
    try:
        wait_for(lambda: has_frames("lavfi"), process)
        write(96)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: has_frames("lavfi-2"), process)
        config.write_text("source = [")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    first, second = (record_lines(records / f"{name}.jsonl") for name in ("lavfi", "lavfi-2"))
    assert first[0]["streams"][0]["width"] == 64
    assert second[0]["streams"][0]["width"] == 96
    assert frame_records(records / "lavfi-2.jsonl")
