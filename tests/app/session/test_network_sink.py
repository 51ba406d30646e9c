from __future__ import annotations

from pathlib import Path

import pytest

import streamfer
from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError


def test_a_run_sends_its_video_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with streamfer.Session(refine=False) as session:
        outcome = session.run("demo:", max_frames=10, output="udp://127.0.0.1:9")
    assert outcome.failures == ()
    assert outcome.snapshot.frames == 10
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_absent_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    with streamfer.Session(refine=False) as session:
        outcome = session.run("demo:", max_frames=5, output="rtmp://me:hunter2@127.0.0.1:1/app/x")
    assert outcome.notes == ("--output rtmp://***@127.0.0.1:1/app/x: was never reached",)
    assert "Connection refused; trying again" in caplog.text
    assert "hunter2" not in caplog.text


def test_several_streams_need_several_addresses() -> None:
    with pytest.raises(ConfigError, match=r"put \{stream\} into the name") as raised:
        streamfer.analyze("demo:", "lavfi:testsrc", output="rtsp://me:hunter2@host/cam")
    assert "hunter2" not in str(raised.value)


def test_the_saved_configuration_holds_no_password() -> None:
    assert "hunter2" not in RunConfig(output=Path("rtsp://me:hunter2@host/cam")).to_json()
