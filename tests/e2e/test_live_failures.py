"""What goes wrong with live streams is said at once, in one line, without credentials."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.clock_pattern import encode_access_units
from tests.support.program import frame_records, record_lines, start, streamfer
from tests.support.rtsp_server import Mount, RtspServer, free_port, require_rtsp_server

Capture = pytest.CaptureFixture[str]
SECRET = "hunter2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    require_rtsp_server()
    clip = tmp_path_factory.mktemp("clips") / "clip.au"
    encode_access_units(clip, sizes=((320, 192),), count=30)
    with RtspServer(Mount("/live", clip), users={"user": "right"}) as running:
        yield running


def lines_until(process: subprocess.Popen[str], wanted: str) -> str:
    """Reads stderr up to the line that holds `wanted`."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if wanted in line:
            return seen
    raise AssertionError(f"{wanted!r} is not in:\n{seen}")


@pytest.mark.parametrize("level", ["error", "debug"])
def test_a_wrong_password_shows_nowhere(
    capfd: Capture, tmp_path: Path, server: RtspServer, level: str
) -> None:
    records = tmp_path / "out.jsonl"
    ended = streamfer(
        capfd, "run", server.url("/live", f"user:{SECRET}@"), "--max-reconnects", 0,
        "--records", records, "--json-summary", tmp_path / "summary.json",
        "--save-config", tmp_path / "config.json", "--log-level", level,
    )  # fmt: skip
    assert ended.code == 3
    assert "refuses the user name and password" in ended.complaint
    assert SECRET not in ended.out + ended.err
    assert all(SECRET not in path.read_text() for path in tmp_path.iterdir())


def test_a_wrong_password_is_said_at_once_also_while_trying_on(server: RtspServer) -> None:
    port = free_port()
    process = start(
        "run", server.url("/live", f"user:{SECRET}@"), "--no-display", "--quiet", "--metrics", port
    )
    said = lines_until(process, "refuses the user name and password")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        figures = answer.read().decode()
    assert 'state="connecting",stream="127.0.0.1-live"} 1.0' in figures
    said += figures
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert SECRET not in said + out + err


def test_a_lost_camera_does_not_end_the_others(
    capfd: Capture, tmp_path: Path, server: RtspServer
) -> None:
    clip = make_clip(tmp_path / "good.mp4", ClipSpec(frames=8))
    records = tmp_path / "out.jsonl"
    ended = streamfer(
        capfd, "run", server.url("/nope", "user:right@"), clip, "--max-reconnects", 1,
        "--records", records,
    )  # fmt: skip
    assert ended.code == 3
    assert "no such stream" in ended.complaint
    assert len(frame_records(records, "good")) == 8


def test_a_live_stream_is_recorded_with_its_events(
    capfd: Capture, tmp_path: Path, server: RtspServer
) -> None:
    records = tmp_path / "out.jsonl"
    ended = streamfer(
        capfd, "run", server.url("/live", "user:right@"), "--max-frames", 5, "--records", records
    )
    assert ended.code == 0
    header, opened, *_ = record_lines(records)
    assert header["streams"][0]["width"] is None
    assert opened["event"] == "opened"
    assert (opened["width"], opened["height"]) == (320, 192)
    frames = frame_records(records)
    assert len(frames) == 5
    assert all(frame["wall"] for frame in frames)
    assert "right" not in records.read_text()
