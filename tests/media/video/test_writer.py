from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.file import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from streamfer.types import Frame, StreamInfo, UInt8Array
from tests.support.analysed import make_frame
from tests.support.clips import ClipSpec, make_clip, numbered_picture, read_number
from tests.support.written import audio_packets, frame_times

CONTAINERS = (".mp4", ".mov", ".mkv")


def info(live: bool = False, frame_rate: float | None = 25.0) -> StreamInfo:
    return StreamInfo("talk", "talk.mp4", 96, 64, live, frame_rate)


def boxes(path: Path) -> list[str]:
    """Names of the outermost boxes of an MP4."""
    content, names, at = path.read_bytes(), [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        names.append(content[at + 4 : at + 8].decode())
        at += size
    return names


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


def decoded(path: Path) -> list[tuple[Fraction, UInt8Array]]:
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
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


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_killed_run_leaves_all_but_the_last_moments(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    program = f"""
import os, signal
from pathlib import Path
from fractions import Fraction
from streamfer.media.video.file import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from tests.media.video.test_writer import info
from tests.support.analysed import make_frame
from tests.support.clips import numbered_picture
writer = VideoWriter(Path({str(path)!r}), info())
for index in range(60):
    writer.write(make_frame(index), numbered_picture(index, (96, 64)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    frames = decoded(path)
    assert [read_number(image) for _, image in frames] == list(range(len(frames)))
    assert [time for time, _ in frames] == [Fraction(i, 25) for i in range(len(frames))]
    # Half a second in the last fragment, and what the encoder holds back.
    assert len(frames) >= 60 - 13 - 6


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


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"x" * 10_000_000)
    write_pictures(path, 3)
    assert len(frame_times(path)) == 3
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("name", ["talk.gif", "talk", "talk.jsonl"])
def test_an_unknown_container_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.mp4, \.m4v, \.mov, \.mkv"):
        VideoWriter(tmp_path / name, info())


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=3))
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    before = clip.read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        VideoWriter(link, info(), audio=AudioSpan(clip))
    assert clip.read_bytes() == before


def folder(path: Path) -> None:
    path.mkdir()


def missing_parent(path: Path) -> None:
    path.parent.rmdir()


def full_disk(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("trouble", [folder, missing_parent, full_disk])
def test_a_path_that_cannot_be_written_is_one_line(
    tmp_path: Path, trouble: Callable[[Path], None], suffix: str
) -> None:
    path = tmp_path / "out" / f"talk{suffix}"
    path.parent.mkdir()
    trouble(path)
    with pytest.raises(OutputError) as caught:
        write_pictures(path)
    assert str(caught.value).startswith(f"{path}: cannot write the video (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_disk_that_fills_up_leaves_what_was_written_playable(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    program = f"""
import resource, signal
from pathlib import Path
import numpy as np
from streamfer.errors import ConfigError, OutputError
from streamfer.media.video.file import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from tests.media.video.test_writer import info
from tests.support.analysed import make_frame
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
writer = VideoWriter(Path({str(path)!r}), info())
noise = np.random.default_rng(1)
try:
    for index in range(2000):
        writer.write(make_frame(index), noise.integers(0, 255, (64, 96, 3), dtype=np.uint8))
except OutputError as error:
    writer.write(make_frame(2001), np.zeros((64, 96, 3), np.uint8))
    writer.close()
    writer.close()
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"{path}: cannot write the video (File too large)"
    assert done.stderr == b""
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        frames = 0
        for _ in container.decode(video=0):  # up to the packet that the failure tore
            frames += 1
    assert frames > 20


def test_no_descriptor_is_left_open_after_failures(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.symlink_to("/dev/full")
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(OutputError):
            write_pictures(path)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_encoders_that_are_missing_or_refuse_are_named_with_the_available_ones() -> None:
    check_encoder(VideoConfig())
    with pytest.raises(ConfigError, match=r"--encoder libx999: not available.*libx264"):
        check_encoder(VideoConfig(encoder="libx999"))
    with pytest.raises(ConfigError, match=r"preset warp .*libx264"):
        check_encoder(VideoConfig(preset="warp"))


@pytest.mark.parametrize("size", [(16386, 64), (64, 16386)])
def test_pictures_too_large_for_an_encoder_are_refused_with_one_that_takes_them(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    with pytest.raises(OutputError, match=r"libx264 takes pictures of up to 16384.*libx265"):
        write_pictures(tmp_path / "out.mp4", 1, size)
    assert list(tmp_path.iterdir()) == []
    video = VideoConfig(encoder="libx265", preset="ultrafast")
    write_pictures(tmp_path / "out.mp4", 1, size, config=video)
    assert len(frame_times(tmp_path / "out.mp4")) == 1


def test_an_encoder_must_suit_the_container() -> None:
    check_encoder(VideoConfig(encoder="libsvtav1"), ".mp4")
    check_encoder(VideoConfig(encoder="libx265"), ".mov")
    with pytest.raises(ConfigError, match=r"libsvtav1: \.mov cannot carry it.*\.mp4 or \.m4v"):
        check_encoder(VideoConfig(encoder="libsvtav1"), ".mov")


@pytest.mark.parametrize("encoder", ["libx265", "libsvtav1"])
def test_encoders_print_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], encoder: str
) -> None:
    config = VideoConfig(encoder=encoder)
    check_encoder(config)
    write_pictures(tmp_path / "out.mp4", 2, config=config)
    assert capfd.readouterr() == ("", "")


def test_the_quality_setting_reaches_the_encoder(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    pictures = noise.integers(0, 255, (10, 64, 96, 3), dtype=np.uint8)
    sizes = []
    for crf in (15, 40):
        path = tmp_path / f"{crf}.mp4"
        with closing(VideoWriter(path, info(), VideoConfig(crf=crf))) as writer:
            for index, picture in enumerate(pictures):
                writer.write(make_frame(index), picture)
        sizes.append(path.stat().st_size)
    assert sizes[0] > 3 * sizes[1]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_hevc_has_the_tag_that_quicktime_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    info = StreamInfo("talk", "talk.mp4", 96, 64, live=False, frame_rate=25.0)
    config = VideoConfig(encoder="libx265", preset="ultrafast")
    with closing(VideoWriter(path, info, config)) as writer:
        for index in range(3):
            picture = numbered_picture(index, (96, 64))
            time_base = Fraction(1, 25)
            writer.write(Frame("talk", index, index, time_base, index / 25, 0.0, picture), picture)
    with av.open(str(path)) as written:
        assert written.streams.video[0].codec_context.codec_tag == "hvc1"
        assert sum(1 for _ in written.decode(video=0)) == 3
