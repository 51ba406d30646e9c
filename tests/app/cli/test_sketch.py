"""`streamfer sketch` on pictures and videos."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.app.cli.sketch import kernel_for
from tests.support.clips import ClipSpec, make_clip


def test_a_picture_becomes_strokes_on_white(tmp_path: Path) -> None:
    picture = np.full((120, 160, 3), 60, np.uint8)
    picture[:, 80:] = 200
    cv2.imwrite(str(tmp_path / "edge.png"), picture)
    assert main(["sketch", str(tmp_path / "edge.png"), "--out", str(tmp_path / "out")]) == 0
    drawn = cv2.imread(str(tmp_path / "out" / "edge.png"), cv2.IMREAD_UNCHANGED)
    assert drawn is not None
    assert drawn.shape == (120, 160)
    assert (drawn[:, :60] == 255).all()
    assert drawn[:, 70:80].min() < 200


def test_a_video_becomes_one_with_the_same_frames(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=5))
    assert main(["sketch", str(clip), "--out", str(tmp_path / "out"), "--kernel", "5"]) == 0
    times = []
    for path in (clip, tmp_path / "out" / "clip.mp4"):
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
            times.append([frame.time for frame in frames])
    assert times[0] == pytest.approx(times[1])
    pixels = frames[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() <= 4


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    before = (tmp_path / "a.png").read_bytes()
    assert main(["sketch", str(tmp_path / "a.png"), "--out", str(tmp_path)]) == 4
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize("kernel", ["4", "1", "-3", "100001"])
def test_kernels_that_cannot_be_are_exit_2(tmp_path: Path, kernel: str) -> None:
    assert main(["sketch", "x.png", "--out", str(tmp_path), "--kernel", kernel]) == 2


@pytest.mark.parametrize(("size", "kernel"), [((64, 64), 3), ((256, 256), 5), ((1920, 1080), 21)])
def test_strokes_grow_with_the_picture(size: tuple[int, int], kernel: int) -> None:
    assert kernel_for(*size) == kernel
