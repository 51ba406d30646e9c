from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamfer.media.audio import AudioSpan
from streamfer.media.video_writer import VideoWriter
from streamfer.types import StreamInfo, UInt8Array
from tests.support.analysed import make_frame
from tests.support.clips import ClipSpec, make_clip, numbered_picture, read_number

CONTAINERS = (".mp4", ".mov", ".mkv")


def info(live: bool = False, frame_rate: float | None = 25.0) -> StreamInfo:
    return StreamInfo("talk", "talk.mp4", 96, 64, live, frame_rate)


def write_pictures(
    path: Path,
    count: int = 30,
    size: tuple[int, int] = (96, 64),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    **settings: Any,
) -> VideoWriter:
    """Writes numbered pictures and closes the writer."""
    with closing(VideoWriter(path, settings.pop("info", info()), **settings)) as writer:
        for index in range(count):
            frame = make_frame(index, pts=pts[index] if pts else index, time_base=time_base)
            writer.write(frame, numbered_picture(index, size))
    return writer


def decoded(path: Path) -> list[tuple[Fraction, UInt8Array]]:
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def times(path: Path) -> list[Fraction]:
    return [time for time, _ in decoded(path)]


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]


def has_b_frames(path: Path) -> bool:
    with av.open(str(path)) as container:
        pts = [packet.pts for packet in container.demux(video=0) if packet.size]
    return pts != sorted(pts)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_frame_comes_back_in_order_at_its_time(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    write_pictures(path)
    frames = decoded(path)
    assert [time for time, _ in frames] == [Fraction(i, 25) for i in range(30)]
    assert [read_number(image) for _, image in frames] == list(range(30))
    assert has_b_frames(path)


@pytest.mark.parametrize(
    ("time_base", "pts"),
    [
        (Fraction(1, 24000), [i * 1001 for i in range(20)]),
        (Fraction(1001, 30000), list(range(20))),
        (Fraction(1, 1000), [0, 40, 41, 120, 121, 122, 900, 950, 951, 5000, 5033, 5066]),
        (Fraction(1, 90000), [126000 + i * 3600 for i in range(20)]),
        (Fraction(1, 10_000_000), [i * 400_000 for i in range(20)]),
    ],
    ids=["ntsc", "ntsc-frames", "variable", "late-start", "fine"],
)
def test_mp4_keeps_pts_exactly(tmp_path: Path, time_base: Fraction, pts: list[int]) -> None:
    path = tmp_path / "talk.mp4"
    write_pictures(path, len(pts), pts=pts, time_base=time_base)
    assert times(path) == [p * time_base for p in pts]


@pytest.mark.parametrize("live", [False, True])
def test_times_below_zero_and_of_live_streams_are_moved_to_zero(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "talk.mp4"
    first = 10**9 if live else -2
    write_pictures(path, 20, pts=[first + i for i in range(20)], info=info(live))
    assert times(path) == [Fraction(i, 25) for i in range(20)]


def test_a_time_base_too_fine_for_mp4_becomes_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    pts = [i * 41_708_333 for i in range(20)]
    write_pictures(path, 20, pts=pts, time_base=Fraction(1, 1_000_000_000))
    errors = [abs(t - p * Fraction(1, 10**9)) for t, p in zip(times(path), pts, strict=True)]
    assert max(errors) <= Fraction(1, 2_000_000)


def test_a_finished_mp4_has_one_index_with_frame_count_and_duration(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    write_pictures(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 30
        assert stream.duration * stream.time_base == Fraction(30, 25)
        assert stream.average_rate == 25


@pytest.mark.parametrize("size", [(95, 64), (96, 63), (33, 41)])
def test_odd_sizes_are_padded_by_one_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "talk.mp4"
    write_pictures(path, 3, size)
    height, width = decoded(path)[0][1].shape[:2]
    assert (width, height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)


@pytest.mark.parametrize(("size", "tag"), [((96, 64), 6), ((1280, 720), 1)])
def test_colours_come_back_and_are_tagged(tmp_path: Path, size: tuple[int, int], tag: int) -> None:
    path = tmp_path / "talk.mp4"
    colours = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 120, 60], [0, 0, 0], [255, 255, 255]],
        np.uint8,
    )
    width, height = size
    image = np.repeat(colours, width // 6 + 1, axis=0)[None, :width].repeat(height, axis=0)
    with closing(VideoWriter(path, info())) as writer:
        writer.write(make_frame(0), np.ascontiguousarray(image))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (tag, tag, tag)
        assert context.color_range == 1
        back = frame.to_ndarray(format="rgb24").astype(int)
    for i, colour in enumerate(colours.astype(int)):
        middle = (2 * i + 1) * (width // 6 + 1) // 2
        assert np.abs(back[height // 2, min(middle, width - 4)] - colour).max() <= 2


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3"])
def test_audio_packets_are_copied_byte_for_byte(tmp_path: Path, suffix: str, codec: str) -> None:
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=60, audio=codec, audio_s=3.1))
    path = tmp_path / f"out{suffix}"
    writer = write_pictures(path, 60, audio=AudioSpan(clip))
    before, after = audio_packets(clip), audio_packets(path)
    assert [data for _, data in after] == [data for _, data in before]
    # Matroska's ticks are milliseconds.
    assert all(
        abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(after, before, strict=True)
    )
    assert times(path) == [Fraction(i, 25) for i in range(60)]
    assert writer.notes == ()


def test_audio_that_the_container_cannot_carry_becomes_aac(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.avi", ClipSpec(frames=50, audio="pcm_mulaw"))
    path = tmp_path / "out.mp4"
    writer = write_pictures(path, 50, audio=AudioSpan(clip))
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        samples = sum(frame.samples for frame in container.decode(stream))
        assert samples / stream.rate == pytest.approx(2.0, abs=0.05)
    assert writer.notes == ("sound made AAC: .mp4 cannot carry pcm_mulaw",)


def test_sound_stops_with_a_video_that_stops_early(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=100, audio="aac"))
    path = tmp_path / "out.mp4"
    write_pictures(path, 50, pts=[i * 512 for i in range(50)], time_base=Fraction(1, 12800),
                   audio=AudioSpan(clip))  # fmt: skip
    before, after = audio_packets(clip), audio_packets(path)
    assert after == before[: len(after)]
    assert 1.9 < after[-1][0] <= 2.0
