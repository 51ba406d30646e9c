from __future__ import annotations

import logging
import threading

import pytest

from streamfer.app.session.followed import FollowedSources
from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.source_list import SourceSpec
from streamfer.types import StreamInfo
from tests.support import snapshots


class FakeJob:
    """Remembers what joined and left."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def add_source(self, spec: SourceSpec) -> StreamInfo:
        if "broken" in spec.location:
            raise SourceError(f"{spec.name}: cannot be opened")
        self.changes.append(f"+{spec.name}")
        return snapshots.camera(f"{spec.name}-as-added")

    def remove(self, stream: str) -> bool:
        self.changes.append(f"-{stream}")
        return True


class List:
    """A list of sources that changes."""

    def __init__(self, *sources: str) -> None:
        self.sources = sources
        self.error: ConfigError | None = None

    def __call__(self) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        return self.sources


def test_what_vanishes_leaves_and_what_is_new_joins() -> None:
    job, listed = FakeJob(), List("rtsp://a/1", "rtsp://b/1")
    followed = FollowedSources(listed(), listed)
    followed.follow(job).join()
    assert job.changes == []
    listed.sources = ("rtsp://b/1", "rtsp://c/1")
    followed.follow(job).join()
    assert job.changes == ["-a-1", "+c-1"]
    listed.sources = ("rtsp://b/1",)
    followed.follow(job).join()
    assert job.changes[2:] == ["-c-1-as-added"]
    listed.sources = ()
    followed.follow(job).join()
    assert job.changes[3:] == ["-b-1"]


class SlowJob(FakeJob):
    """Sources called `slow` answer once they may."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.may_answer = threading.Event(), threading.Event()
        self.changed = threading.Semaphore(0)

    def add_source(self, spec: SourceSpec) -> StreamInfo:
        if "slow" in spec.location:
            self.entered.set()
            assert self.may_answer.wait(60)
        info = super().add_source(spec)
        self.changed.release()
        return info

    def remove(self, stream: str) -> bool:
        super().remove(stream)
        self.changed.release()
        return True


def test_a_source_that_does_not_answer_holds_up_no_other() -> None:
    job, listed = SlowJob(), List()
    followed = FollowedSources(listed(), listed)
    listed.sources = ("rtsp://slow/1",)
    followed.follow(job)
    assert job.entered.wait(60)
    listed.sources = ("rtsp://slow/1", "rtsp://b/1")
    followed.follow(job)
    assert job.changed.acquire(timeout=60)
    assert job.changes == ["+b-1"]
    listed.sources = ("rtsp://b/1",)  # nobody wants it any more
    followed.follow(job).join()
    job.may_answer.set()
    assert job.changed.acquire(timeout=60)
    assert job.changed.acquire(timeout=60)
    assert job.changes == ["+b-1", "+slow-1", "-slow-1-as-added"]


def test_what_nobody_expects_ends_no_following(caplog: pytest.LogCaptureFixture) -> None:
    class OddJob(FakeJob):
        def add_source(self, spec: SourceSpec) -> StreamInfo:
            if "odd" in spec.location:
                raise OSError(24, "Too many open files")
            return super().add_source(spec)

    job, listed = OddJob(), List()
    followed = FollowedSources(listed(), listed)
    listed.sources = ("rtsp://odd/1",)
    followed.follow(job).join()
    assert "Too many open files" in caplog.text
    listed.sources = ("rtsp://odd/1", "rtsp://b/1")
    followed.follow(job).join()
    assert job.changes == ["+b-1"]


def test_a_list_that_cannot_be_read_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    job, listed = FakeJob(), List("rtsp://a/1")
    followed = FollowedSources(listed(), listed)
    listed.error = ConfigError("--config run.toml: not TOML")
    followed.follow(job).join()
    listed.error, listed.sources = None, ("nonsense://x",)
    followed.follow(job).join()
    assert job.changes == []
    assert "not TOML; the sources stay as they are" in caplog.text
    assert "nonsense" in caplog.text


def test_one_that_cannot_be_opened_keeps_nobody_out_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="streamfer")
    job, listed = FakeJob(), List("rtsp://a/1")
    followed = FollowedSources(listed(), listed)
    listed.sources = ("rtsp://a/1", "rtsp://broken/1", "rtsp://c/1")
    followed.follow(job).join()
    assert job.changes == ["+c-1"]
    followed.follow(job).join()
    assert caplog.text.count("broken-1: cannot be opened") == 2
    assert caplog.text.count(": added") == 1
