from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.vision.overlay.status_strip import (
    StripInfo,
    draw_strip,
    format_clock,
    offline_tile,
    strip_rect,
)

INFO = StripInfo("talk", time_s=1.0, fps=24.0, latency_ms=10.0, dropped=0)


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0, "00:00.0"),
        (12.34, "00:12.3"),
        (59.99, "00:59.9"),
        (75.0, "01:15.0"),
        (3600.0, "1:00:00.0"),
        (36061.5, "10:01:01.5"),
    ],
)
def test_clock(time_s: float, text: str) -> None:
    assert format_clock(time_s) == text


@pytest.mark.parametrize(
    ("size_wh", "has_strip"), [((64, 48), False), ((160, 120), True), ((1920, 1080), True)]
)
def test_tiny_pictures_have_no_strip(size_wh: tuple[int, int], has_strip: bool) -> None:
    assert (strip_rect(*size_wh) is not None) is has_strip


def drawn(info: StripInfo, width: int = 640, height: int = 360) -> np.ndarray:
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    band = strip_rect(width, height)
    assert band is not None
    draw_strip(image, band, info, 0.66)
    assert (image[: band[1]] == 128).all()
    return image[band[1] :]


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "walk"},
        {"time_s": 2.0},
        {"fps": 25.0},
        {"fps": 0.0},
        {"latency_ms": 11.0},
        {"latency_ms": None},
        {"dropped": 1},
        {"live": True},
    ],
)
def test_everything_in_the_strip_can_be_seen(change: dict[str, object]) -> None:
    assert (drawn(INFO) != drawn(replace(INFO, **change))).any()


@pytest.mark.parametrize("width", [160, 320, 640])
def test_a_long_name_is_shortened_and_leaves_the_figures_alone(width: int) -> None:
    short = drawn(replace(INFO, stream="x"), width, 120)
    long = drawn(replace(INFO, stream="a very long name of a stream " * 9), width, 120)
    assert (short[:, -60:] == long[:, -60:]).all()


def test_offline_tile_is_a_dim_copy_with_words() -> None:
    image = np.full((360, 640, 3), 200, dtype=np.uint8)
    tile = offline_tile(image, "connection refused")
    assert tile.shape == image.shape
    assert (image == 200).all()
    assert tile.mean() < 80
    assert tile.max() > 240
    assert (tile != offline_tile(image, "no signal")).any()


@pytest.mark.parametrize("size_wh", [(8, 8), (64, 48), (3840, 2160)])
def test_offline_tile_of_any_size(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    assert offline_tile(np.zeros((height, width, 3), np.uint8), "gone " * 40).shape[:2] == (
        height,
        width,
    )
