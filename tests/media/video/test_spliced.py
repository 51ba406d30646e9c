"""Clocks that are reset, run over or jump: the sound stays with the picture, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.verify.outputs import verify_outputs
from streamfer.media.video.writer import VideoWriter
from streamfer.types import Frame, StreamInfo
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file
from tests.support.written import audio_packets, copy_stream, frame_times

FRAME_S = Fraction(1, 25)


@pytest.fixture
def recording(tmp_path: Path) -> Callable[[float], Path]:
    """Makes a second of a camera's transport stream whose clock begins at some second."""

    def make(begins_s: float) -> Path:
        path = tmp_path / f"from-{begins_s}.ts"
        options = {"output_ts_offset": str(begins_s), "muxdelay": "0"}
        spec = ClipSpec(frames=25, audio="libmp3lame", container_options=options)
        return make_clip(path, spec)

    return make


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "begins_s",
    [
        *((100.0, 90.0), (90.0, 40.0), (80_000.0, 5.0), (30_000.0, 5.0), (10.0, 30_000.0)),
        *((50, 10, 70), (9.0, 9.0, 9.0), (9.0, 9.5, 8.5, 9.0)),
    ],
    ids=[
        *("a little back", "back", "far back", "back a third", "far ahead"),
        *("back and ahead", "the same second again", "half a second back"),
    ],
)
def test_spliced_recordings_go_on_with_all_their_sound(
    tmp_path: Path,
    recording: Callable[[float], Path],
    begins_s: tuple[float, ...],
    suffix: str,
) -> None:
    clip = tmp_path / "spliced.ts"
    clip.write_bytes(b"".join(recording(begin).read_bytes() for begin in begins_s))
    path = tmp_path / f"out{suffix}"
    copy_stream(clip, path)
    assert len(audio_packets(path)) == len(audio_packets(clip))
    times = frame_times(path)
    assert len(times) == 25 * len(begins_s)
    if begins_s != (50, 10, 70):  # a step of less than a minute ahead is a gap
        assert all(abs(b - a - FRAME_S) < Fraction(1, 500) for a, b in pairwise(times))
        assert abs(audio_packets(path)[-1][0] - times[-1]) < Fraction(1, 10)
    assert verify_outputs(clip, path, None) == []


@pytest.mark.parametrize("name", ["spliced.ts", "clock_wraps.ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_public_files_with_broken_clocks(tmp_path: Path, name: str, suffix: str) -> None:
    clip = shared_file(f"cases/{name}")
    path = tmp_path / f"out{suffix}"
    copy_stream(clip, path)
    assert len(audio_packets(path)) == len(audio_packets(clip))
    assert abs(audio_packets(path)[-1][0] - frame_times(path)[-1]) < Fraction(1, 10)
    assert verify_outputs(clip, path, None) == []


parts = pytest.mark.parametrize(
    "options",
    [
        PlaybackOptions(start_s=0.5),
        PlaybackOptions(start_s=1.3),
        PlaybackOptions(start_s=0.5, duration_s=1.2),
        PlaybackOptions(loop=3),
        PlaybackOptions(start_s=1.0, duration_s=0.7, loop=2),
    ],
    ids=["from before", "from behind", "over it", "in a loop", "a part in a loop"],
)


@pytest.mark.parametrize("name", ["spliced.ts", "clock_wraps.ts"])
@parts
def test_no_silence_in_a_part_of_them(tmp_path: Path, name: str, options: PlaybackOptions) -> None:
    path = tmp_path / "out.mp4"
    copy_stream(shared_file(f"cases/{name}"), path, options)
    assert_full_of_sound(path)


@pytest.mark.parametrize(
    "begins_s",
    [(100.0, 90.0), (9.0, 9.0, 9.0), (80_000.0, 5.0), (10.0, 30_000.0)],
    ids=["a little back", "the same second again", "far back", "far ahead"],
)
@parts
def test_nor_in_a_part_of_recordings_behind_each_other(
    tmp_path: Path,
    recording: Callable[[float], Path],
    begins_s: tuple[float, ...],
    options: PlaybackOptions,
) -> None:
    clip, path = tmp_path / "spliced.ts", tmp_path / "out.mp4"
    clip.write_bytes(b"".join(recording(begin).read_bytes() for begin in begins_s))
    copy_stream(clip, path, options)
    assert_full_of_sound(path)


def assert_full_of_sound(path: Path) -> None:
    sound = [time for time, _ in audio_packets(path)]
    video = frame_times(path)
    assert abs(sound[0] - video[0]) < Fraction(1, 10)
    assert abs(sound[-1] - video[-1]) < Fraction(1, 10)
    assert max(b - a for a, b in pairwise(sound)) < Fraction(1, 10)


def test_times_below_zero_have_their_sound_from_the_start_asked_for(
    tmp_path: Path, recording: Callable[[float], Path]
) -> None:
    clip = recording(2**33 / 90_000 - 0.7)  # FFmpeg counts from below 0 to where it runs over
    path = tmp_path / "out.mp4"
    copy_stream(clip, path, PlaybackOptions(start_s=0.2))
    assert frame_times(clip)[0] < 0
    sound, video = audio_packets(path), frame_times(path)
    assert abs(sound[0][0] - video[0]) < FRAME_S
    assert abs(sound[-1][0] - video[-1]) < 2 * FRAME_S


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("time_base", "away_s"),
    [(Fraction(1, 1_000_000), 2200), (Fraction(1, 90_000), 24_000), (Fraction(1, 90_000), 900_000)],
    ids=["36 minutes of an MJPEG camera", "6.6 hours over RTSP", "ten days"],
)
def test_a_camera_away_for_long_costs_no_video(
    tmp_path: Path, time_base: Fraction, away_s: int, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    info = StreamInfo("cam", "cam", 96, 64, live=True, frame_rate=25.0)
    step = round(FRAME_S / time_base)
    away = round(away_s / time_base)
    pts = [i * step for i in range(20)] + [away + i * step for i in range(20)]
    pts += [2 * away + i * step for i in range(5)]
    with closing(VideoWriter(path, info)) as writer:
        for index, time in enumerate(pts):
            picture = np.full((64, 96, 3), 5 * index, np.uint8)
            writer.write(
                Frame("cam", index, time, time_base, float(time * time_base), 0.0, picture), picture
            )
    times = frame_times(path)
    assert len(times) == 45
    if suffix != ".mkv":
        assert all(abs(b - a - FRAME_S) < Fraction(1, 1000) for a, b in pairwise(times))
        assert [note.startswith("a gap of ") for note in writer.notes].count(True) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_gap_in_a_file_takes_its_sound_along(tmp_path: Path, suffix: str) -> None:
    away = 30_000 * 1000
    pts = [*range(0, 1000, 40), *range(away, away + 1000, 40)]
    spec = ClipSpec(frames=50, pts=pts, time_base=Fraction(1, 1000))
    clip = make_clip(tmp_path / "video.mkv", spec)
    both = _with_sound_beside(clip, tmp_path / "in.mkv", away_s=30_000)
    path = tmp_path / f"out{suffix}"
    copy_stream(both, path)
    assert len(frame_times(path)) == 50
    assert len(audio_packets(path)) == len(audio_packets(both))
    assert abs(audio_packets(path)[-1][0] - frame_times(path)[-1]) < Fraction(1, 10)
    assert verify_outputs(both, path, None) == []


def _with_sound_beside(video: Path, path: Path, away_s: int) -> Path:
    """Copies a video, and puts a second of sound at 96 kHz at its begin and after its gap."""
    with av.open(str(video)) as source, av.open(str(path), "w") as output:
        pictures = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("pcm_s16le", rate=96_000, layout="mono")
        packets = []
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = pictures
                packets.append((float(packet.dts * packet.time_base), packet))
        for begin_s in (0, away_s):
            for block in range(25):
                samples = np.zeros((1, 3840), np.int16)
                frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                frame.sample_rate, frame.time_base = 96_000, Fraction(1, 96_000)
                frame.pts = begin_s * 96_000 + block * 3840
                for packet in sound.encode(frame):
                    packets.append((float(packet.pts * packet.time_base), packet))
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            output.mux(packet)
    return path
