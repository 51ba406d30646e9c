from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from streamfer.app.allowed_sources import allowed_sources
from streamfer.app.session.job import Job
from streamfer.app.web.live_run import JobRun
from streamfer.errors import ConfigError
from streamfer.types import StreamInfo
from tests.support import snapshots


class FakeJob:
    """Takes whatever it is given."""

    def add(self, source: str, name: str | None) -> StreamInfo:
        return snapshots.camera(name or source)


def run(*, local: bool) -> JobRun:
    allowed = None if local else allowed_sources("cam, camera:")
    return JobRun(cast(Job, FakeJob()), allowed)


@pytest.mark.parametrize("source", ["rtsp://cam/1", "http://cam/video", "0", "demo:"])
def test_what_is_allowed_can_be_added_from_everywhere(source: str) -> None:
    for local in (True, False):
        assert run(local=local).add(source, "x").stream == "x"


@pytest.mark.parametrize("source", ["lavfi:testsrc2", "screen:"])
def test_what_can_read_this_machine_only_from_it(source: str) -> None:
    assert run(local=True).add(source, None)
    with pytest.raises(ConfigError, match="may not be added here"):
        run(local=False).add(source, None)


def test_nobody_learns_from_afar_which_files_there_are(tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.touch()
    said = set()
    for path in (there, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(ConfigError) as refused:
            run(local=False).add(str(path), None)
        said.add(str(refused.value))
    assert len(said) == 1
    assert run(local=True).add(str(there), None)
