"""Decoding by hardware: what is refused, what falls back to the CPU, and that nobody sees a
difference."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.hardware import check_hwaccel
from streamfer.media.sources.picture import RgbConverter
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.gpu import require_gpu

SPEC = ClipSpec(frames=8, size=(320, 192))


def test_hardware_that_ffmpeg_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="--hwaccel abacus: the installed FFmpeg has "):
        check_hwaccel("abacus")


def test_hardware_that_is_not_there_is_refused() -> None:
    if "qsv" not in hwdevices_available() or Path("/dev/dri").exists():
        pytest.skip("needs an FFmpeg with QSV on a machine without it")
    with pytest.raises(ConfigError, match="--hwaccel qsv: does not start on this machine"):
        check_hwaccel("qsv")


def images(clip: Path, hwaccel: str | None) -> list[UInt8Array]:
    source = FileSource(clip, "clip", hwaccel=hwaccel)
    source.open()
    decoded = [frame.picture.to_rgb() for frame in source.frames()]
    source.close()
    return decoded


@pytest.fixture
def broken_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a GPU that is lost: nothing that asks for hardware can be opened."""
    real_open = av.open

    def refuse(*arguments: Any, hwaccel: object = None, **options: Any) -> Any:
        if hwaccel is not None:
            raise av.error.PermissionError(1, "Operation not permitted")
        return real_open(*arguments, **options)

    monkeypatch.setattr("streamfer.media.sources.media_file.av.open", refuse)


@pytest.mark.usefixtures("broken_hardware")
def test_a_file_falls_back_to_the_cpu(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = make_clip(tmp_path / "clip.mp4", SPEC)
    with caplog.at_level(logging.WARNING):
        decoded = images(clip, "cuda")
    assert "is decoded on the CPU: cuda fails with" in caplog.text
    for ours, theirs in zip(decoded, images(clip, None), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("broken_hardware")
def test_a_damaged_file_is_not_blamed_on_the_hardware(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match="it is damaged"):
        FileSource(tmp_path / "clip.mp4", "clip", hwaccel="cuda").open()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("decoded", "by_hardware"),
    [("yuv420p", "nv12"), ("yuv422p", "nv16"), ("yuv420p10le", "p010le")],
)
def test_the_format_of_hardware_gives_the_same_picture(decoded: str, by_hardware: str) -> None:
    rng = np.random.default_rng(0)
    noise = av.VideoFrame.from_ndarray(rng.integers(0, 256, (96, 128, 3), np.uint8), format="rgb24")
    planar = noise.reformat(format=decoded)
    interleaved = planar.reformat(format=by_hardware)
    ours, theirs = (RgbConverter().convert(frame, (128, 96)) for frame in (interleaved, planar))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.gpu
def test_a_file_decoded_by_hardware_is_the_same(tmp_path: Path) -> None:
    require_gpu("torch")
    clip = make_clip(tmp_path / "clip.mp4", SPEC)
    by_hardware, by_cpu = images(clip, "cuda"), images(clip, None)
    assert len(by_hardware) == SPEC.frames
    np.testing.assert_array_equal(by_hardware, by_cpu)
