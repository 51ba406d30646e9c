from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from streamfer.errors import SourceError
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.picture import DecodedPicture, RgbConverter, square_size
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip, numbered_picture

MATRICES = {
    "BT.601": (0.299, 0.114, 6),
    "BT.709": (0.2126, 0.0722, 1),
    "BT.2020": (0.2627, 0.0593, 9),
}
"""Kr and Kb (ITU-T H.273, table 4), and the AVColorSpace number."""
PATCHES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 90)]
UNSPECIFIED = 2


def yuv_patch(
    rgb: tuple[int, int, int], matrix: str, full: bool, pix_fmt: str, size: tuple[int, int]
) -> av.VideoFrame:
    """A frame of one colour, by the formulas of H.273 and not by swscale."""
    kr, kb, number = MATRICES[matrix]
    bits = 10 if "10" in pix_fmt else 8
    red, green, blue = (c / 255 for c in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / 2 / (1 - kb), (red - luma) / 2 / (1 - kr)
    top = (1 << bits) - 1
    if full:
        values = [luma * top, *(c * top + (1 << (bits - 1)) for c in chroma)]
    else:
        values = [(16 + 219 * luma) * (1 << (bits - 8))]
        values += [(128 + 224 * c) * (1 << (bits - 8)) for c in chroma]
    frame = av.VideoFrame(*size, pix_fmt)
    for plane, value in zip(frame.planes, values, strict=True):
        dtype = np.uint16 if bits > 8 else np.uint8
        count = plane.buffer_size // np.dtype(dtype).itemsize
        plane.update(np.full(count, min(round(value), top), dtype).tobytes())
    frame.colorspace, frame.color_range = number, 2 if full else 1
    return frame


def to_rgb(frame: av.VideoFrame, aspect: Fraction | None = None) -> UInt8Array:
    return DecodedPicture(frame, RgbConverter(), aspect).to_rgb()


def error(image: UInt8Array, rgb: tuple[int, int, int]) -> int:
    return int(np.abs(image.astype(int) - rgb).max())


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)], ids=["even", "odd"])
def test_tagged_colours(matrix: str, full: bool, pix_fmt: str, size: tuple[int, int]) -> None:
    for rgb in PATCHES:
        frame = yuv_patch(rgb, matrix, full, "yuv420p" if pix_fmt == "nv12" else pix_fmt, size)
        if pix_fmt == "nv12":
            frame = frame.reformat(format="nv12")
        image = to_rgb(frame)
        assert image.shape == (size[1], size[0], 3)
        assert image.flags.c_contiguous
        assert error(image, rgb) <= 2


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((720, 576), "BT.601"),
        ((640, 360), "BT.601"),
        ((1280, 720), "BT.709"),
        ((608, 1080), "BT.709"),
    ],
)
def test_untagged_colours_are_guessed_by_size(size: tuple[int, int], matrix: str) -> None:
    frame = yuv_patch((200, 60, 30), matrix, False, "yuv420p", size)
    frame.colorspace, frame.color_range = UNSPECIFIED, 0
    assert error(to_rgb(frame), (200, 60, 30)) <= 2


def test_reserved_matrix_is_guessed() -> None:
    frame = yuv_patch((200, 60, 30), "BT.601", False, "yuv420p", (64, 48))
    frame.colorspace = 3
    assert error(to_rgb(frame), (200, 60, 30)) <= 2


def test_jpeg_format_means_full_range() -> None:
    frame = yuv_patch((200, 60, 30), "BT.601", True, "yuvj420p", (64, 48))
    frame.color_range = 0
    assert error(to_rgb(frame), (200, 60, 30)) <= 2


@pytest.mark.parametrize(
    "pix_fmt",
    [
        "rgb24",
        "bgr24",
        "rgba",
        "bgra",
        "gbrp",
        "rgb48le",
        "gbrp10le",
        "yuva420p",
        "p010le",
        "yuyv422",
    ],
)
def test_other_formats_keep_the_colours(pix_fmt: str) -> None:
    patch = np.full((48, 64, 3), (200, 120, 90), np.uint8)
    frame = av.VideoFrame.from_ndarray(patch).reformat(format=pix_fmt, dst_colorspace=5)
    assert error(to_rgb(frame), (200, 120, 90)) <= 4


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_gray(pix_fmt: str) -> None:
    patch = np.full((48, 64, 3), 77, np.uint8)
    assert (
        error(to_rgb(av.VideoFrame.from_ndarray(patch).reformat(format=pix_fmt)), (77, 77, 77)) <= 1
    )


def test_picture_without_pixels_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="cannot convert pixel format yuv420p"):
        to_rgb(av.VideoFrame(0, 0, "yuv420p"))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True], ids=["", "mirrored"])
def test_display_matrix(rotation: int, hflip: bool, tmp_path: Path) -> None:
    spec = ClipSpec(frames=2, rotation=rotation, hflip=hflip, options={"crf": "12"})
    expected = np.rot90(numbered_picture(0, spec.size), rotation // 90)
    if hflip:
        expected = expected[:, ::-1]
    info, image = first_picture(make_clip(tmp_path / "clip.mp4", spec))
    assert image.shape == expected.shape == (info[1], info[0], 3)
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation(orientation: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(numbered_picture(5, (96, 64))).save(path, exif=exif)
    with Image.open(path) as photo:
        expected = np.asarray(ImageOps.exif_transpose(photo).convert("RGB"))
    info, image = first_picture(path)
    assert image.shape == expected.shape == (info[1], info[0], 3)
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("aspect", "rotation", "size"),
    [
        (Fraction(4, 3), 0, (128, 64)),
        (Fraction(1, 2), 0, (96, 128)),
        (Fraction(4, 3), 90, (64, 128)),
        (Fraction(1), 0, (96, 64)),
    ],
)
def test_square_pixels(
    aspect: Fraction, rotation: int, size: tuple[int, int], tmp_path: Path
) -> None:
    spec = ClipSpec(frames=2, sample_aspect=aspect, rotation=rotation)
    info, image = first_picture(make_clip(tmp_path / "clip.mp4", spec))
    assert info == size == (image.shape[1], image.shape[0])


@pytest.mark.parametrize("aspect", [None, Fraction(0), Fraction(1, 1000), Fraction(1000)])
def test_absurd_pixel_shapes_are_ignored(aspect: Fraction | None) -> None:
    assert square_size(720, 576, aspect) == (720, 576)


def first_picture(path: Path) -> tuple[tuple[int | None, int | None], UInt8Array]:
    source = FileSource(path, "clip")
    try:
        info = source.open()
        return (info.width, info.height), next(source.frames()).picture.to_rgb()
    finally:
        source.close()


def test_subsampled_colours_are_not_darkened() -> None:
    """swscale's fast conversion cuts fractions off; on average that must not show."""
    rng = np.random.default_rng(0)
    darker = []
    for rgb in rng.integers(16, 240, (60, 3)):
        red, green, blue = rgb.tolist()
        frame = yuv_patch((red, green, blue), "BT.709", False, "yuv420p", (32, 32))
        darker.append(to_rgb(frame).mean(axis=(0, 1)) - rgb)
    assert np.abs(np.mean(darker, axis=0)).max() < 0.7
