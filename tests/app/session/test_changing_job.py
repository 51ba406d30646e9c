"""Sources that join and leave a job while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.app.session.job import Job
from streamfer.app.session.outcome import Outcome
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError, SourceError
from streamfer.media.records.reader import read_records
from streamfer.media.sources.file import FileSource
from streamfer.media.subtitles.timeline import read_timeline
from streamfer.types import StreamInfo
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.program import frame_records

PATTERN = "lavfi:testsrc2=size=64x48:rate=20"


@pytest.fixture(autouse=True)
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "streamfer.app.session.networks.open_models",
        lambda *_, **__: Models(FakeDetector(), FakeEngine(lambda inputs: {})),
    )


class Running:
    """A job in a thread of its own."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.outcome: Outcome | None = None
        self._tick = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._tick:
            assert self._tick.wait_for(condition, 60)

    def frames(self, stream: str) -> int:
        streams = self.job.statistics.snapshot().streams
        return next((s.frames for s in streams if s.info.stream == stream), -1)

    def end(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self.outcome = self.job.run(self._on_tick)

    def _on_tick(self) -> None:
        if self._stopping.is_set():
            self.job.stop()
        with self._tick:
            self._tick.notify_all()


@contextmanager
def running(**options: Any) -> Iterator[Running]:
    """A job of one live pattern, `lavfi`, that has begun."""
    config = RunConfig(source=(PATTERN,), realtime=True, refine=False, events=False, **options)
    with Session.configured(config) as session:
        run = Running(session.job())
        try:
            run.until(lambda: run.frames("lavfi") > 0)
            yield run
        finally:
            run.end()


def refused(job: Job, source: str, name: str) -> None:
    with pytest.raises(SourceError):
        job.add(source, name)


def test_streams_are_known_before_the_networks_are_open() -> None:
    config = RunConfig(source=(PATTERN,), realtime=True, refine=False, events=False)
    with Session.configured(config) as session, closing(session.job()) as job:
        (stream,) = job.statistics.snapshot().streams
    assert (stream.info.stream, stream.state, stream.frames) == ("lavfi", "waiting", 0)


def test_a_source_joins_and_another_leaves(tmp_path: Path) -> None:
    records = tmp_path / "all.jsonl"
    with running(records=records) as run:
        assert run.job.add(PATTERN, "second").stream == "second"
        run.until(lambda: run.frames("second") > 2)
        assert run.job.remove("lavfi")
        assert not run.job.remove("nobody")
        run.until(lambda: run.frames("lavfi") == -1)
    assert run.outcome is not None
    assert frame_records(records, "lavfi")
    assert len(frame_records(records, "second")) > 2
    assert read_timeline(read_records(records), "second").duration_s > 0  # not in the header
    with pytest.raises(ConfigError, match="none is called 'third'"):
        read_timeline(read_records(records), "third")


def test_the_next_run_does_not_write_over_a_camera_that_joined(tmp_path: Path) -> None:
    records = tmp_path / "all.jsonl"
    with running(records=records) as run:
        assert run.job.add("udp://127.0.0.1:9", "cam").stream == "cam"
        before = run.frames("lavfi")
        run.until(lambda: run.frames("lavfi") > before + 2)
    (joined,) = set(tmp_path.iterdir()) - {records}
    kept = joined.read_bytes()
    assert [entry["stream"] for entry in read_records(joined).header["streams"]] == ["lavfi", "cam"]
    assert frame_records(joined, "lavfi")
    with running(records=records):
        pass
    assert joined.read_bytes() == kept


def test_latents_that_are_written_over_take_no_camera(tmp_path: Path) -> None:
    with running(latents=tmp_path / "all.parquet") as run:
        with pytest.raises(ConfigError, match=r"--latents .*the next run writes over it"):
            run.job.add("udp://127.0.0.1:9", "cam")
        assert run.job.add(PATTERN, "cam").stream == "cam"


def test_where_results_are_kept_a_name_is_used_once(tmp_path: Path) -> None:
    with running(records=tmp_path / "{stream}.jsonl") as run:
        assert run.job.remove("lavfi")
        run.until(lambda: run.frames("lavfi") == -1)
        assert run.job.add(PATTERN).stream == "lavfi-2"
        run.until(lambda: run.frames("lavfi-2") > 0)
    assert frame_records(tmp_path / "lavfi.jsonl")
    assert frame_records(tmp_path / "lavfi-2.jsonl")


def test_a_camera_comes_back_where_subtitles_are_written(tmp_path: Path) -> None:
    with running(subtitles=tmp_path / "{stream}.vtt") as run:
        assert run.job.add(PATTERN).stream == "lavfi-2"
        assert run.job.remove("lavfi-2")
        run.until(lambda: run.frames("lavfi-2") == -1)
        assert run.job.add(PATTERN).stream == "lavfi-3"


def test_elsewhere_it_is_free_again() -> None:
    with running() as run:
        assert run.job.add(PATTERN).stream == "lavfi-2"
        assert run.job.remove("lavfi-2")
        run.until(lambda: run.frames("lavfi-2") == -1)
        assert run.job.add(PATTERN).stream == "lavfi-2"


def test_what_cannot_join(tmp_path: Path) -> None:
    with running(output=tmp_path / "one.mp4") as run:
        with pytest.raises(ConfigError, match="holds one stream"):
            run.job.add(PATTERN)
        with pytest.raises(ConfigError, match="unknown kind of source"):
            run.job.add("nonsense://x")
        with pytest.raises(SourceError, match="no such file"):
            run.job.add(str(tmp_path / "missing.mp4"))
        before = run.frames("lavfi")
        run.until(lambda: run.frames("lavfi") > before)


def test_a_folder_is_more_than_one_source(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    with running() as run, pytest.raises(ConfigError, match="add one at a time"):
        run.job.add(str(tmp_path))


def test_one_that_cannot_be_opened_leaves_its_name_and_the_run_alone(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with running() as run:
        for _ in range(2):
            with pytest.raises(SourceError, match=r"broken\.mp4"):
                run.job.add(str(broken))
        assert run.frames("broken") == -1
        before = run.frames("lavfi")
        run.until(lambda: run.frames("lavfi") > before)


def test_a_source_that_does_not_answer_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def silent(self: FileSource) -> StreamInfo:
        asked.set()
        assert answer.wait(60)
        raise SourceError("silent: nobody there")

    monkeypatch.setattr(FileSource, "open", silent)
    with running() as run, NamedTemporaryFile(suffix=".mp4") as file:
        adding = threading.Thread(target=lambda: refused(run.job, file.name, "second"))
        adding.start()
        assert asked.wait(60)
        assert run.job.add(PATTERN, "second").stream == "second-2"
        run.until(lambda: run.frames("second-2") > 0)
        answer.set()
        adding.join()
        assert run.job.add(PATTERN, "second").stream == "second"


def test_one_that_cannot_be_opened_claims_no_output(tmp_path: Path) -> None:
    source = tmp_path / "talk.mp4"
    source.write_bytes(b"still being copied")
    outputs = tmp_path / "{stream}.jsonl"
    with running(records=outputs) as run:
        refused(run.job, str(source), "talk")
        assert run.job.add(PATTERN, "talk").stream == "talk"
        run.until(lambda: run.frames("talk") > 0)
    assert frame_records(tmp_path / "talk.jsonl")


def test_nothing_of_a_stream_is_kept_that_has_left(tmp_path: Path) -> None:
    with running(records=tmp_path / "all.jsonl") as run:
        for _ in range(2):
            about = run.job.add(PATTERN)
            run.until(lambda name=about.stream: run.frames(name) > 0)
            assert run.job.remove(about.stream)
            run.until(lambda name=about.stream: run.frames(name) == -1)
        assert not run.job.remove(about.stream)
        assert [info.stream for info in run.job.streams] == ["lavfi"]


def test_before_and_after_the_run_nothing_joins() -> None:
    config = RunConfig(source=(PATTERN,), refine=False, max_frames=1)
    with Session.configured(config) as session:
        job = session.job()
        with pytest.raises(ConfigError, match="has not begun"):
            job.add(PATTERN)
        job.run()
        with pytest.raises(ConfigError, match="is ending"):
            job.add(PATTERN)
