"""Transport streams to whose end PyAV does not come: streams turn up on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import av
import pytest

import streamfer
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.connection import Connection
from streamfer.media.sources.demux import decoded, demuxed
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.file_decoder import FileDecoder
from streamfer.media.sources.picture import RgbConverter
from streamfer.media.sources.sound import TravellingSound
from streamfer.media.verify.outputs import verify_outputs
from streamfer.media.verify.whole import WholeInput
from streamfer.media.video.audio import AudioReader, AudioSpan
from streamfer.media.video.clips import ClipFiles
from streamfer.media.video.file_clips import FileClips
from streamfer.media.video.stills import frame_times
from tests.support.clips import ClipSpec, make_clip
from tests.support.transport_stream import with_more_sounds
from tests.support.written import copy_stream

OF_PYAV = re.compile(r"\.demux\(|container\.decode\(")
OWN_PROGRAM = "screen_relay.py"
"""Copies a desktop, which has one stream from begin to end, and cannot import the package."""


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of video with sound, 20 times, once with 26 sounds, and 8 times more.

    So far from both ends the new streams are not seen when it is opened; PyAV's list of what is
    wanted of each stream takes up 24 bytes, and what lies behind them is not 0.
    """
    folder = tmp_path_factory.mktemp("late")
    clip = make_clip(folder / "a.ts", ClipSpec(frames=25, size=(64, 48), audio="mp2"))
    second, more = clip.read_bytes(), with_more_sounds(clip, folder / "b.ts", 26).read_bytes()
    path = folder / "late.ts"
    path.write_bytes(second * 20 + more + second * 8)
    return path


FRAMES = 29 * 25


def test_pyav_trips_at_its_end_and_all_has_come(late: Path) -> None:
    with av.open(str(late)) as container:
        seen = [p for p in demuxed(container, container.streams.video[0]) if p.size]
    assert len(seen) == FRAMES
    with av.open(str(late)) as container:
        assert len(list(decoded(container, container.streams.video[0]))) == FRAMES


def test_every_demux_is_one_that_comes_to_its_end() -> None:
    found = [
        path.name
        for path in Path(streamfer.__file__).parent.rglob("*.py")
        if OF_PYAV.search(path.read_text("utf-8")) and path.name != OWN_PROGRAM
    ]
    assert found == ["demux.py"]


def read_sound(path: Path, folder: Path) -> None:
    with closing(AudioReader(AudioSpan(path))) as reader:
        assert sum(1 for _ in reader.upto(None)) > 0
        assert reader.problem is None
        assert not reader.has_video_after(1e6)


def read_times(path: Path, folder: Path) -> None:
    assert len(frame_times(path)) == FRAMES


def hold_against_an_output(path: Path, folder: Path) -> None:
    assert WholeInput(path).is_in_video(path)


def cut_a_clip(path: Path, folder: Path) -> None:
    with closing(FileClips(path, 0.0)) as clips:
        assert clips.write(ClipFiles(folder / "clip", OutputClaims()), 0.0, 1e6) is not None


def play_live(path: Path, folder: Path) -> None:
    with Connection(Endpoint(str(path), "cam", ({},), read_timeout_s=60.0), 60.0) as connection:
        assert sum(1 for _ in connection.pictures()) == FRAMES


def decode_with_its_sound(path: Path, folder: Path) -> None:
    sound = TravellingSound()
    with closing(FileDecoder(path, 0.0, RgbConverter(), sound=sound)) as decoder:
        assert sum(1 for _ in decoder.frames()) == FRAMES
    assert sound.ended


def annotate(path: Path, folder: Path) -> None:
    output = folder / "out.mp4"
    copy_stream(path, output)
    assert verify_outputs(path, output, None) == []


@pytest.mark.parametrize(
    "read",
    [
        *(read_sound, read_times, hold_against_an_output, cut_a_clip),
        *(play_live, decode_with_its_sound, annotate),
    ],
)
def test_whoever_reads_it_comes_to_its_end(
    late: Path, tmp_path: Path, read: Callable[[Path, Path], None]
) -> None:
    read(late, tmp_path)
