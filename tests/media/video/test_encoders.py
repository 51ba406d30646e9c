from __future__ import annotations

import os
import sys
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.video.encoder import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from streamfer.types import Frame, StreamInfo
from tests.support.analysed import make_frame
from tests.support.clips import numbered_picture
from tests.support.videos import info, write_pictures
from tests.support.written import frame_times


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


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("preset", ["ultrafast", "medium"])
def test_few_pictures_are_encoded_every_time(tmp_path: Path, count: int, preset: str) -> None:
    video = VideoConfig(encoder="libx265", preset=preset)
    for _ in range(20):
        write_pictures(tmp_path / "out.mp4", count, (64, 128), config=video)
        assert len(frame_times(tmp_path / "out.mp4")) == count


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


@pytest.mark.skipif(sys.platform != "linux", reason="its threads' priorities are Linux's")
def test_no_encoder_takes_real_time_priority(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    config = VideoConfig(encoder="libsvtav1")
    check_encoder(config, ".mp4")
    with closing(VideoWriter(tmp_path / "out.mp4", info(), config)) as writer:
        writer.write(make_frame(0), numbered_picture(0, (96, 64)))
        policies = {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}
    assert os.sched_getscheduler(0) == before
    assert policies == {before}
