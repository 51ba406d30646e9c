"""Pictures as cameras, phones and editors write them."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from streamfer.errors import SourceError
from streamfer.media.sources import animation
from streamfer.media.sources.animation import is_animated_png
from streamfer.media.sources.file import FileSource
from streamfer.types import UInt8Array
from tests.support.clips import numbered_picture
from tests.support.heif_files import write_grid
from tests.support.shared import shared_file


def pictures(path: Path) -> list[UInt8Array]:
    source = FileSource(path, "still")
    try:
        source.open()
        return [frame.picture.to_rgb() for frame in source.frames()]
    finally:
        source.close()


def close_to(image: UInt8Array, expected: UInt8Array, levels: float = 4) -> bool:
    return image.shape == expected.shape and bool(
        np.abs(image.astype(int) - expected).mean() < levels
    )


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write_profiled(path: Path, mode: str) -> UInt8Array:
    """A picture with an ICC profile; APNG and MOV hold it twice."""
    image = Image.fromarray(numbered_picture(3, (96, 64))).convert(mode)
    if path.suffix == ".mov":
        content = io.BytesIO()
        image.save(content, "PNG", icc_profile=profile())
        write_packets(path, content.getvalue(), "png")
    elif path.suffix == ".apng":
        other = ImageOps.mirror(image)
        image.save(
            path, "PNG", icc_profile=profile(), save_all=True, append_images=[other], duration=100
        )
    else:
        image.save(path, icc_profile=profile())
    return np.asarray(image.convert("RGB"))


def write_packets(path: Path, content: bytes, codec: str) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
        for number in range(2):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 10), True
            container.mux(packet)


CHILD = """
import sys
from pathlib import Path
from tests.media.sources.test_still_pictures import pictures
for path in sys.argv[1:]:
    pictures(Path(path))
print("alive")
"""


def test_profiles_do_not_end_the_process(tmp_path: Path) -> None:
    """In a child, because the fault was a segmentation fault that ends the tests too."""
    paths = [
        tmp_path / f"{mode}.{suffix}"
        for mode in ("L", "RGB")
        for suffix in ("png", "apng", "mov", "jpg", "webp", "tiff")
    ]
    for path in paths:
        write_profiled(path, path.stem)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (0, "alive"), run.stderr


@pytest.mark.parametrize("suffix", ["png", "apng", "mov", "jpg", "webp", "tiff"])
def test_picture_with_profile(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"profile.{suffix}"
    expected = write_profiled(path, "RGB")
    images = pictures(path)
    assert len(images) == (2 if suffix in ("apng", "mov") else 1)
    assert close_to(images[0], expected)


@pytest.mark.parametrize("name", ["profile_gray.png", "profile_rgb.png"])
def test_shared_picture_with_profile(name: str) -> None:
    path = shared_file(f"cases/{name}")
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    assert close_to(pictures(path)[0], expected, 1)


def test_nothing_reads_the_side_data_of_frames() -> None:
    for path in (Path(__file__).parents[3] / "streamfer").rglob("*.py"):
        code = path.read_text().replace("`frame.side_data`", "")
        assert ".side_data" not in code, path


def test_an_animation_of_impossible_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moving.webp"
    image = Image.fromarray(numbered_picture(3, (96, 64)))
    image.save(path, save_all=True, append_images=[ImageOps.mirror(image)])
    content = bytearray(path.read_bytes())
    content[24:30] = b"\xff\xff\xff" * 2  # of the canvas (VP8X), less one
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"moving\.webp: it claims more pixels"):
        pictures(path)


def test_gain_map_is_no_picture() -> None:
    path = shared_file("cases/gain_map.jpg")
    assert [image.shape for image in pictures(path)] == [(667, 1000, 3)]


@pytest.mark.parametrize("format_name", ["MPO", "appended"])
def test_first_of_several_jpegs_is_the_picture(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    first, second = (Image.fromarray(numbered_picture(n, (96, 64))) for n in (2, 5))
    if format_name == "MPO":
        first.save(path, "MPO", save_all=True, append_images=[second])
    else:
        path.write_bytes(jpeg(first) + jpeg(second))
    images = pictures(path)
    assert len(images) == 1
    assert close_to(images[0], np.asarray(first))


def test_jpegs_recorded_as_video_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "camera.mjpg"
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(4)]
    path.write_bytes(b"".join(map(jpeg, images)))
    assert len(pictures(path)) == 4


def jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=92)
    return content.getvalue()


def test_shared_tiles_are_one_picture() -> None:
    """Its corners differ, and a tile alone is 512 × 512."""
    (image,) = pictures(shared_file("cases/tiles.heic"))
    assert image.shape == (900, 1200, 3)
    assert image[-1, -1].any() or image[-100:, -100:].std() > 1


@pytest.mark.parametrize("quarter_turns", range(4))
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_grid_of_tiles_is_turned(quarter_turns: int, mirror: int | None, tmp_path: Path) -> None:
    path = tmp_path / "grid.avif"
    stored = np.asarray(Image.fromarray(numbered_picture(7, (96, 64))).resize((150, 100)))
    write_grid(path, stored, 64, quarter_turns, mirror)
    expected = np.rot90(stored, quarter_turns)
    if mirror is not None:
        expected = np.flip(expected, mirror)
    (image,) = pictures(path)
    assert close_to(image, expected)


def test_pillow_reads_the_same_grid(tmp_path: Path) -> None:
    path = tmp_path / "grid.avif"
    write_grid(path, np.full((100, 150, 3), (200, 80, 40), np.uint8), 64, 1, 1)
    with Image.open(path) as photo:
        expected = np.asarray(ImageOps.exif_transpose(photo).convert("RGB"))
    assert close_to(pictures(path)[0], expected)


def test_grid_with_a_damaged_tile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "grid.avif"
    write_grid(path, np.random.default_rng(0).integers(0, 256, (100, 150, 3), np.uint8), 64)
    content = bytearray(path.read_bytes())
    content[-3000:-1000] = b"\xff" * 2000
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"grid\.avif: "):
        pictures(path)


@pytest.mark.parametrize("suffix", ["png", "apng", "webp", "tiff", "gif"])
def test_what_is_transparent_shows_white(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut_out.{suffix}"
    image = Image.fromarray(numbered_picture(3, (96, 64))).convert("RGBA")
    image.paste((200, 30, 30, 0), (0, 0, 48, 64))
    image.save(
        path, "PNG" if suffix == "apng" else None, **{"lossless": True} if suffix == "webp" else {}
    )
    shown = pictures(path)[0]
    assert shown[:, :46].min() == 255
    assert close_to(shown[:, 50:], np.asarray(image.convert("RGB"))[:, 50:])


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Image.new("RGBA", (96, 64), (101, 1, 201, 128)).save(path)
    assert np.abs(pictures(path)[0].astype(int) - (178, 128, 228)).max() <= 1


def test_face_erased_by_transparency_is_not_shown() -> None:
    path = shared_file("cases/erased_by_alpha.webp")
    with Image.open(path) as image:
        erased = np.asarray(image.convert("RGBA"))[:, :, 3] == 0
    assert erased.any()
    assert pictures(path)[0][erased].min() == 255


def test_animated_webp_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "animation.webp"
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(3)]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=[100, 250, 50], lossless=True
    )
    source = FileSource(path, "animation")
    try:
        source.open()
        frames = [(frame.time_s, frame.picture.to_rgb()) for frame in source.frames()]
    finally:
        source.close()
    assert [time_s for time_s, _ in frames] == pytest.approx([0, 0.1, 0.35])
    assert all(close_to(f[1], np.asarray(i), 1) for f, i in zip(frames, images, strict=True))


def test_an_animation_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.webp"
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(9)]
    images[0].save(path, save_all=True, append_images=images[1:], lossless=True)
    monkeypatch.setattr(animation, "_LARGEST", 2_000)
    source = FileSource(path, "long")
    with pytest.raises(SourceError, match=r"long\.webp: its first \d of 9 pictures fill"):
        source.open()
    source.close()


@pytest.mark.parametrize("name", ["a.png", "a.apng"])
@pytest.mark.parametrize("animated", [False, True])
def test_a_long_profile_hides_no_animation(name: str, animated: bool, tmp_path: Path) -> None:
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(3)]
    noise = np.random.default_rng(0).bytes(5000)  # stays as long when it is compressed
    images[0].save(
        tmp_path / name, "PNG", icc_profile=noise, save_all=animated, append_images=images[1:]
    )
    shown = pictures(tmp_path / name)
    assert len(shown) == (3 if animated else 1)
    assert all(close_to(f, np.asarray(i), 1) for f, i in zip(shown, images, strict=False))


def test_a_forged_picture_is_not_looked_through_for_ever(tmp_path: Path) -> None:
    head = b"\x89PNG\r\n\x1a\n"
    (tmp_path / "a.png").write_bytes(head + bytes(12) * 5000 + bytes(4) + b"acTL" + bytes(4))
    (tmp_path / "b.png").write_bytes(head + bytes(12) * 5 + bytes(4) + b"acTL" + bytes(4))
    for name, expected in (("a.png", False), ("b.png", True)):
        with (tmp_path / name).open("rb") as file:
            assert is_animated_png(file.fileno()) is expected


def test_damaged_animated_webp_is_named(tmp_path: Path) -> None:
    path = tmp_path / "animation.webp"
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"animation\.webp"):
        pictures(path)
