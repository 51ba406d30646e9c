from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.types import StreamInfo
from tests.support.analysed import make_frame
from tests.support.clips import ClipSpec, make_clip, numbered_picture, read_number
from tests.support.videos import CONTAINERS, boxes, decoded, has_b_frames, info, write_pictures
from tests.support.written import audio_packets, frame_times


@pytest.mark.parametrize(
    ("stream", "indexed"),
    [(info(), True), (replace(info(), frame_count=2_000_000), False), (info(live=True), False)],
    ids=["film", "film in a loop", "camera"],
)
def test_what_has_no_end_is_not_kept_in_an_index(
    tmp_path: Path, stream: StreamInfo, indexed: bool
) -> None:
    path = tmp_path / "out.mp4"
    write_pictures(path, info=stream)
    assert ("moof" not in boxes(path)) == indexed
    assert len(frame_times(path)) == 30


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
    assert frame_times(path) == [p * time_base for p in pts]


@pytest.mark.parametrize("live", [False, True])
def test_times_below_zero_and_of_live_streams_are_moved_to_zero(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "talk.mp4"
    first = 10**9 if live else -2
    write_pictures(path, 20, pts=[first + i for i in range(20)], info=info(live))
    assert frame_times(path) == [Fraction(i, 25) for i in range(20)]


def test_a_time_base_too_fine_for_mp4_becomes_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    pts = [i * 41_708_333 for i in range(20)]
    write_pictures(path, 20, pts=pts, time_base=Fraction(1, 1_000_000_000))
    errors = [abs(t - p * Fraction(1, 10**9)) for t, p in zip(frame_times(path), pts, strict=True)]
    assert max(errors) <= Fraction(1, 2_000_000)


def test_a_finished_mp4_has_one_index_with_frame_count_and_duration(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    write_pictures(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 30
        assert stream.duration * stream.time_base == Fraction(30, 25)
        assert stream.average_rate == 25


@pytest.mark.parametrize("size", [(95, 64), (96, 63), (33, 41), (1, 1)])
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


def test_a_change_of_size_starts_a_new_file_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    with closing(VideoWriter(path, info())) as writer:
        for index in range(20):
            size = (96, 64) if index < 12 else (48, 80)
            frame = make_frame(index, segment=index // 12)
            writer.write(frame, numbered_picture(index, size))
    assert writer.paths == (path, tmp_path / "talk.1.mp4")
    assert frame_times(path) == [Fraction(i, 25) for i in range(12)]
    assert frame_times(writer.paths[1]) == [Fraction(i, 25) for i in range(8)]
    assert decoded(writer.paths[1])[0][1].shape == (80, 48, 3)


def test_rolling_goes_on_in_a_new_file_and_shares_out_the_sound(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=50, audio="libmp3lame"))
    path = tmp_path / "talk.mp4"
    with closing(VideoWriter(path, info(), audio=AudioSpan(clip))) as writer:
        for index in range(50):
            if index in (20, 40):
                writer.roll()
            writer.write(make_frame(index), numbered_picture(index, (96, 64)))
        writer.roll()
    assert [len(frame_times(p)) for p in writer.paths] == [20, 20, 10]
    parts = [audio_packets(p) for p in writer.paths]
    assert [d for part in parts for _, d in part] == [d for _, d in audio_packets(clip)]
    assert all(-0.03 < part[0][0] < 0.03 for part in parts)
