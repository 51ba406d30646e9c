"""What runs on a machine of a cluster, without the cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.app.cluster.attempt import attempt_config
from streamfer.app.cluster.fingerprint import Fingerprint, fingerprint
from streamfer.app.cluster.probe import ask, is_answered
from streamfer.app.cluster.reports import Attempt, AttemptResult
from streamfer.app.cluster.worker import AttemptError, Worker, WorkerSetup
from streamfer.app.config import RunConfig
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from tests.support.cameras import http_cameras
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, record_lines


def setup_of(folder: Path, **options: object) -> WorkerSetup:
    (folder / "job" / ".attempts").mkdir(parents=True, exist_ok=True)
    config = RunConfig(refine=False, display=False, quiet=True, **options)  # type: ignore[arg-type]
    return WorkerSetup(config, None, fingerprint(config), ask(folder / "job" / ".attempts"))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker()
    setup = setup_of(tmp_path, records=Path("out/{stream}.jsonl"))
    prepared = made.prepare(setup, "w")
    assert prepared.refusal is None
    assert is_answered(setup.probe, prepared.answer)
    yield made
    made.close()


def attempt_at(path: Path, folder: Path) -> Attempt:
    folder.mkdir(exist_ok=True)
    return Attempt("a1", "u1", 1, SourceSpec(SourceKind.FILE, "talk", str(path)), folder)


def test_an_attempt_stays_in_its_folder_and_says_what_it_left(
    worker: Worker, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=9))
    result = worker.analyse(attempt_at(clip, tmp_path / "attempt"))
    assert isinstance(result, AttemptResult)
    assert result.frames == 9
    (file,) = result.files
    path = tmp_path / "attempt" / "records" / "talk.jsonl"
    assert (file.output, file.name, file.size) == ("records", "talk.jsonl", path.stat().st_size)
    assert len(frame_records(path)) == 9
    status = clip.stat()
    assert (result.input_size, result.input_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert worker.progress() == ()


def test_subtitles_stay_in_the_attempt_s_folder_too(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=3))
    config = RunConfig(records=Path("{stream}.jsonl"), subtitles=Path("{stream}.vtt"))
    changed = attempt_config(config, attempt_at(clip, tmp_path / "attempt"))
    assert changed.subtitles == tmp_path / "attempt" / "subtitles" / "{stream}.vtt"
    assert (tmp_path / "attempt" / "subtitles").is_dir()


def test_a_bad_file_is_not_the_worker_s_fault(worker: Worker, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    error = worker.analyse(attempt_at(bad, tmp_path / "attempt"))
    assert isinstance(error, AttemptError)
    assert "bad.mp4" in error.reason
    assert not error.broken
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=9))
    assert isinstance(worker.analyse(attempt_at(clip, tmp_path / "next")), AttemptResult)


def test_a_file_that_is_cut_short_does_not_count_as_done(worker: Worker, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "talk.mkv", ClipSpec(frames=50))
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    error = worker.analyse(attempt_at(clip, tmp_path / "attempt"))
    assert isinstance(error, AttemptError)
    assert "talk.mkv" in error.reason


def test_another_version_is_refused_with_both(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    other = replace(setup, expected=Fingerprint("9.9", "f" * 64))
    refusal = Worker().prepare(other, "w").refusal
    assert refusal is not None
    assert "f" * 16 in refusal
    assert setup.expected.weights[:16] in refusal
    assert "Streamfer 9.9" in refusal


def test_a_folder_that_is_not_shared_is_refused(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    setup.probe.unlink()
    refusal = Worker().prepare(setup, "w").refusal
    assert refusal is not None
    assert "must be shared by all machines" in refusal


def test_a_working_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    setup = replace(setup_of(tmp_path), folder=tmp_path / "missing")
    refusal = Worker().prepare(setup, "w").refusal
    assert refusal is not None
    assert "by absolute paths" in refusal


def test_the_answer_to_another_probe_does_not_count(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    old = setup.probe.with_name("probe-0123456789abcdef-0000")
    old.write_text("")
    assert not is_answered(setup.probe, old.name)
    assert not is_answered(setup.probe, "../probe")
    assert not is_answered(setup.probe, None)


def wait_until(true: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(2000):
        if true():
            return
        never.wait(0.05)
    raise AssertionError("it did not come to that")


def test_cameras_join_while_others_run_and_say_where_they_come_from(tmp_path: Path) -> None:
    worker = Worker()
    setup = setup_of(tmp_path, records=tmp_path / "out" / "{stream}.jsonl")
    (tmp_path / "out").mkdir()
    assert worker.prepare(setup, "w").refusal is None
    watching = threading.Thread(target=worker.watch)
    with http_cameras(3) as addresses:
        first, second, third = expand_sources(addresses)

        def frames(stream: str) -> int:
            return sum(s.frames for s in worker.progress() if s.stream == stream)

        watching.start()
        try:
            worker.add([first], "host/old")
            wait_until(lambda: frames(first.name) > 1)
            worker.add([second], None)
            worker.add([third], "host/lost")
            wait_until(lambda: frames(second.name) > 1 and frames(third.name) > 1)
        finally:
            worker.stop()
            watching.join()
    worker.close()
    moved = {}
    for spec in (first, second, third):
        (path,) = (tmp_path / "out").glob(f"{spec.name}*.jsonl")
        text = path.read_text()
        assert "hunter22" not in text
        events = [line for line in record_lines(path) if line.get("event") == "reassigned"]
        moved[spec.name] = [(event["from"], event["to"]) for event in events]
        assert frame_records(path)
    assert [origin for origin, _ in moved[first.name]] == ["host/old"]
    assert moved[second.name] == []
    assert [origin for origin, _ in moved[third.name]] == ["host/lost"]
    assert all(json.dumps(figure.message) == "null" for figure in worker.progress())
