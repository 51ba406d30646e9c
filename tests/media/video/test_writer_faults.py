from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from tests.support.clips import ClipSpec, make_clip, read_number
from tests.support.videos import CONTAINERS, decoded, info, write_pictures
from tests.support.written import frame_times


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_killed_run_leaves_all_but_the_last_moments(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    program = f"""
import os, signal
from pathlib import Path
from fractions import Fraction
from streamfer.media.video.encoder import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from tests.support.videos import info
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
from streamfer.media.video.encoder import VideoConfig, check_encoder
from streamfer.media.video.writer import VideoWriter
from tests.support.videos import info
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
