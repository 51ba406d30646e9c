"""Pipes: opened once, read once, with their sound, and never in the way of the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.pipe import PipeReader
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.source_list import expand_sources
from streamfer.media.verify.outputs import verify_outputs
from streamfer.media.video.writer import VideoWriter
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file
from tests.support.written import audio_packets, frame_times


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def feeders() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


def feed(fifo: Path, clip: Path, feeders: list[threading.Thread]) -> None:
    def write() -> None:
        try:
            fifo.write_bytes(clip.read_bytes())
        except BrokenPipeError:
            return  # the reader has enough

    feeders.append(threading.Thread(target=write))
    feeders[-1].start()


def play(
    fifo: Path, path: Path, options: PlaybackOptions | None = None, stop_after: int | None = None
) -> VideoWriter:
    with closing(FileSource(fifo, "pipe", options, with_sound=True)) as source:
        info = source.open()
        with closing(VideoWriter(path, info, audio=source.sound)) as writer:
            for count, pending in enumerate(source.frames()):
                if count == stop_after:
                    break
                frame = pending.to_frame("pipe", 0)
                writer.write(frame, frame.image)
    return writer


@pytest.mark.parametrize("container", [".mkv", ".ts", ".avi"])
def test_no_frame_and_no_sound_is_lost(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread], container: str
) -> None:
    clip = make_clip(tmp_path / f"in{container}", ClipSpec(frames=75, audio="libmp3lame"))
    feed(fifo, clip, feeders)
    path = tmp_path / "out.mp4"
    writer = play(fifo, path)
    assert len(frame_times(path)) == len(frame_times(clip)) == 75
    assert [data for _, data in audio_packets(path)] == [data for _, data in audio_packets(clip)]
    assert writer.notes == ()


def test_verify_agrees_with_what_came_through_a_pipe(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread]
) -> None:
    clip = shared_file("cases/camcorder.mts")
    feed(fifo, clip, feeders)
    path = tmp_path / "out.mp4"
    play(fifo, path)
    assert verify_outputs(clip, path, None) == []


def test_sound_that_has_to_be_made_anew_travels_too(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread]
) -> None:
    clip = make_clip(tmp_path / "in.avi", ClipSpec(frames=50, audio="pcm_mulaw"))
    feed(fifo, clip, feeders)
    path = tmp_path / "out.mp4"
    writer = play(fifo, path)
    assert len(frame_times(path)) == 50
    assert audio_packets(path)[-1][0] == pytest.approx(2, abs=0.05)
    assert writer.notes == ("sound made AAC: .mp4 cannot carry pcm_mulaw",)


def test_sound_that_nobody_wants_is_not_kept(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread]
) -> None:
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=25, audio="libmp3lame"))
    feed(fifo, clip, feeders)
    with closing(FileSource(fifo, "pipe")) as source:
        source.open()
        assert source.sound is None
        assert len(list(source.frames())) == 25


def test_a_part_of_a_pipe(tmp_path: Path, fifo: Path, feeders: list[threading.Thread]) -> None:
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=100, audio="libmp3lame"))
    feed(fifo, clip, feeders)
    path = tmp_path / "out.mp4"
    play(fifo, path, PlaybackOptions(start_s=1.0, duration_s=2.0))
    times = frame_times(path)
    assert (len(times), times[0]) == (50, 0)
    sound = audio_packets(path)
    assert sound[0][0] == pytest.approx(0, abs=0.05)
    assert sound[-1][0] == pytest.approx(2, abs=0.08)


def test_sound_ends_with_a_run_that_was_stopped(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread]
) -> None:
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=200, audio="libmp3lame"))
    feed(fifo, clip, feeders)
    path = tmp_path / "out.mp4"
    play(fifo, path, stop_after=25)
    assert audio_packets(path)[-1][0] < 1


def test_a_pipe_plays_once(fifo: Path) -> None:
    with (
        closing(FileSource(fifo, "pipe", PlaybackOptions(loop=2))) as source,
        pytest.raises(SourceError, match="plays once"),
    ):
        source.open()


def test_a_pipe_that_carries_no_video_says_so(
    tmp_path: Path, fifo: Path, feeders: list[threading.Thread]
) -> None:
    clip = tmp_path / "text"
    clip.write_text("no video")
    feed(fifo, clip, feeders)
    with (
        closing(FileSource(fifo, "pipe")) as source,
        pytest.raises(SourceError, match="cannot open"),
    ):
        source.open()


def test_waiting_for_a_writer_can_be_interrupted(fifo: Path) -> None:
    failures: list[str] = []
    with closing(FileSource(fifo, "pipe")) as source:

        def open_it() -> None:
            try:
                source.open()
            except SourceError as error:
                failures.append(str(error))

        thread = threading.Thread(target=open_it)
        thread.start()
        source.interrupt()
        thread.join()
    assert len(failures) == 1


def test_a_read_under_way_can_be_interrupted(fifo: Path) -> None:
    reader = PipeReader(fifo)
    writer = os.open(fifo, os.O_WRONLY)
    os.write(writer, b"abc")
    assert reader.read(10) == b"abc"
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(reader.read(10)))
    thread.start()
    reader.interrupt()
    thread.join()
    assert answers == [b""]
    os.close(writer)
    reader.close()
    reader.interrupt()  # nothing any more


def test_a_dash_is_standard_input() -> None:
    (spec,) = expand_sources(["-"])
    assert (spec.kind, spec.name, spec.location) == (SourceKind.FILE, "stdin", "/dev/stdin")
