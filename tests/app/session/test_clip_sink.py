from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from skimage.data import astronaut

import streamfer
from streamfer.app.session.clip_sink import ClipConfig, ClipSink, clip_sinks
from streamfer.app.session.sources import OpenedStream
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from streamfer.media.video.clips import ClipFiles
from streamfer.media.video.file_clips import FileClips
from streamfer.pipeline.outlet import Outlet, OutputLedger
from streamfer.types import EventName, Frame, StreamEvent, StreamInfo
from tests.support.clips import ClipSpec, make_clip
from tests.support.timed_results import film


class FakeSource:
    problem: str | None = None

    def __init__(self) -> None:
        self.cut: list[tuple[str, float, float]] = []
        self.closed = False

    def follow(self, frame: Frame) -> None:
        pass

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        self.cut.append((Path(file.name).name, begin_s, end_s))
        return Path(file.name)

    def close(self) -> None:
        self.closed = True


def happened(time_s: float, event: EventName = "rule") -> StreamEvent:
    return StreamEvent("talk", event, time_s)


def played(folder: Path, seconds: float, *events: StreamEvent) -> tuple[FakeSource, list[Path]]:
    source, written = FakeSource(), list[Path]()
    config = ClipConfig(folder, 2.0, 1.0)
    sink = ClipSink("talk", config, lambda _: source, OutputClaims(), written.append)
    waiting = list(events)
    for result in film((seconds, [])):
        sink.write(result)
        while waiting and waiting[0].time_s <= result.frame.time_s:
            sink.event(waiting.pop(0))
        assert len(source.cut) <= 100
    before = len(source.cut)
    sink.close()
    sink.close()
    assert len(source.cut) == before + (seconds < 6 and bool(events))
    return source, written


def test_a_clip_lies_around_its_event_and_is_cut_when_it_is_over(tmp_path: Path) -> None:
    source, written = played(tmp_path, 8.0, happened(3.0), happened(6.0, "face_appeared"))
    assert source.cut == [
        ("talk-00003.00.rule", 1.0, 4.0),
        ("talk-00006.00.face_appeared", 4.0, 7.0),
    ]
    assert len(written) == 2


def test_the_end_closes_what_clips_are_cut_from(tmp_path: Path) -> None:
    source, _ = played(tmp_path, 5.0)
    assert source.closed


def test_the_end_says_once_why_there_were_no_clips(tmp_path: Path) -> None:
    source, notes = FakeSource(), list[str]()
    source.problem = "it is odd"
    config = ClipConfig(tmp_path)
    sink = ClipSink("talk", config, lambda _: source, OutputClaims(), notes=notes)
    (first,) = film((0.1, []))
    sink.write(first)
    sink.close()
    sink.close()
    assert notes == ["--clips: talk gives none: it is odd"]


def test_the_end_cuts_what_is_left(tmp_path: Path) -> None:
    source, _ = played(tmp_path, 5.0, happened(4.5))
    assert source.cut == [("talk-00004.50.rule", 2.5, 5.5)]


def test_events_at_once_share_a_clip_and_departures_have_none(tmp_path: Path) -> None:
    source, _ = played(
        tmp_path, 9.0, happened(3.0), happened(3.4, "reaction"), happened(5.0, "face_left")
    )
    assert [name for name, *_ in source.cut] == ["talk-00003.00.rule"]


def test_a_clip_of_a_loop_lies_in_the_round_of_its_event(tmp_path: Path) -> None:
    source = FakeSource()
    sink = ClipSink("talk", ClipConfig(tmp_path, 2.0, 1.0), lambda _: source, OutputClaims())
    for result in film((9.0, [])):
        time_s = result.frame.time_s
        sink.write(replace(result, frame=replace(result.frame, looped_s=time_s // 3 * 3)))
        if time_s in (2.4, 4.0, 8.4):
            sink.event(happened(time_s))
    sink.close()
    cut = [span for _, *span in source.cut]
    assert cut == [pytest.approx(span) for span in ([0.4, 3.0], [0.0, 2.0], [0.4, 3.4])]


def test_a_lost_connection_cuts_at_once(tmp_path: Path) -> None:
    source = FakeSource()
    sink = ClipSink("talk", ClipConfig(tmp_path), lambda _: source, OutputClaims())
    (first,) = film((0.1, []))
    sink.write(first)
    sink.event(happened(0.0))
    sink.event(happened(0.0, "disconnected"))
    assert len(source.cut) == 1


def test_a_stream_that_cannot_be_cut_ends_nobody_elses_clips(tmp_path: Path) -> None:
    spec = ClipSpec(frames=50, options={"g": "10"})
    good = make_clip(tmp_path / "good.mp4", spec)
    bad = make_clip(tmp_path / "bad.gif", ClipSpec(frames=50, codec="gif", pix_fmt="rgb8"))
    ledger, claims = OutputLedger(), OutputClaims()
    written, notes = list[Path](), list[str]()
    for path in (bad, good):
        name = path.stem
        sink = ClipSink(
            name,
            ClipConfig(tmp_path / "clips", 0.2, 0.2),
            partial(lambda source, _: FileClips(source, 0.0), path),
            claims,
            written.append,
            notes,
        )
        outlet = Outlet(name, partial(list, [sink]), ledger)
        for result in film((2.0, []), stream=name):
            outlet.put([result])
            if result.frame.index in (5, 17):
                outlet.put([StreamEvent(name, "rule", result.frame.time_s)])
        outlet.close()
    assert ledger.failures == ()
    assert len(written) == 2
    (note,) = notes
    assert note.startswith(f"--clips: bad: cannot cut {bad}")


def test_a_pipe_has_nothing_to_cut_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    spec = SourceSpec(SourceKind.FILE, "pipe", str(tmp_path / "pipe"))
    source = FileSource(tmp_path / "pipe", "pipe")
    stream = OpenedStream(spec, source, StreamInfo("pipe", "pipe", 96, 64, live=False), False)
    notes: list[str] = []
    assert clip_sinks(ClipConfig(tmp_path), stream, OutputClaims(), [], notes) == []
    assert notes == ["--clips: pipe has no packets to cut clips from"]


def test_a_run_leaves_a_clip_for_its_event(tmp_path: Path) -> None:
    images = [astronaut()] * 50
    spec = ClipSpec(frames=50, size=(512, 512), options={"g": "10"})
    talk = make_clip(tmp_path / "talk.mp4", spec, images)
    with streamfer.Session(refine=False) as session:
        outcome = session.run(talk, clips=tmp_path / "clips", clip_before=0.5, clip_after=0.5)
    (clip,) = (tmp_path / "clips").iterdir()
    assert clip.name == "talk-00000.32.face_appeared.mp4"
    assert outcome.notes == (f"wrote 1 clips to {tmp_path / 'clips'}",)
    with streamfer.Session(refine=False) as session:
        outcome = session.run("demo:", clips=tmp_path / "other", max_frames=5)
    assert outcome.notes == ("--clips: demo has no packets to cut clips from",)
