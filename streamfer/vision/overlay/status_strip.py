"""The strip along a frame's bottom edge: which stream, when, how fast; and the offline picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from streamfer.types import UInt8Array
from streamfer.vision.overlay.drawing import (
    INK,
    WHITE,
    Canvas,
    Colour,
    Rect,
    Sprite,
    blend,
    drawable,
    elided,
    rounded_coverage,
    text_sprite,
    text_width,
)
from streamfer.vision.overlay.face_panel import BOLD, DIM

_LIVE: Colour = (240, 84, 76)
_ALERT: Colour = (255, 176, 84)


@dataclass(frozen=True, slots=True)
class StripInfo:
    """What the status strip says."""

    stream: str
    time_s: float
    """Media time of the frame, in seconds."""
    fps: float
    """Analysed frames/s of the stream; 0 where there are too few to tell."""
    latency_ms: float | None
    """Decode to result; None before it is known."""
    dropped: int
    """Frames dropped so far."""
    live: bool = False
    """Shows a red dot, and drops even while there are none."""


def strip_rect(width: int, height: int) -> Rect | None:
    """Where the strip is; None in frames too small for one."""
    band = round(_font_size(width, height) * 1.75)
    if height < 5 * band or width < 8 * band:
        return None
    return 0, height - band, width, height


def _font_size(width: int, height: int) -> int:
    return max(9, round(min(width / 1.5, height) / 34))


def draw_strip(image: UInt8Array, band: Rect, info: StripInfo, opacity: float) -> None:
    """Draws the strip, in place.

    Args:
        image: (H, W, 3) uint8 RGB.
        band: from `strip_rect`.
        info: what it says.
        opacity: of its background.
    """
    left, top, right, bottom = band
    height = bottom - top
    size = _font_size(image.shape[1], image.shape[0])
    blend(image, _plate(right - left, height, opacity), left, top)
    x = left + size * 3 // 4
    if info.live:
        dot = _dot(round(size * 0.6))
        blend(image, dot, x, top + (height - dot.height) // 2)
        x += dot.width + size // 2
    end = _draw_figures(image, info, right - size * 3 // 4, top, height, size, x + 6 * size)
    name = elided(drawable(info.stream), size, end - size - x)
    if name:
        blend(image, text_sprite(name, size, height, WHITE, BOLD), x, top)


def _draw_figures(
    image: UInt8Array, info: StripInfo, right: int, top: int, height: int, size: int, stop: int
) -> int:
    """Draws the figures from the right edge leftwards while there is room.

    Returns:
        The left end of what was drawn.
    """
    shown = []
    x = right
    for parts, widest, colour in _figures(info):
        width = text_width(widest, size)
        if x - width < stop:
            break
        shown.append((parts, x, colour))
        x -= width + size
    for parts, end, colour in shown:
        for part in reversed(parts):
            sprite = text_sprite(part, size, height, colour)
            end -= sprite.width
            blend(image, sprite, end, top)
            end += 1  # of its width, that is space
    return x


def _figures(info: StripInfo) -> Iterator[tuple[tuple[str, ...], str, Colour]]:
    """Parts of the text, the widest text of its kind and colour of each figure, the most important
    first. What often changes is a part of its own: text is drawn once, and kept."""
    clock = format_clock(info.time_s)
    yield (clock[:-2], clock[-2:]), "0" * 2 + clock[2:], WHITE
    if info.fps > 0:  # a photograph has none
        yield (f"{info.fps:.1f} fps",), "000.0 fps", DIM
    latency = "-- ms" if info.latency_ms is None else f"{info.latency_ms:.0f} ms"
    yield (latency,), "000 ms", DIM
    if info.live or info.dropped:
        text = f"{info.dropped} dropped"
        yield (text,), text, _ALERT if info.dropped else DIM


def format_clock(time_s: float) -> str:
    """Media time as m:ss.t, or h:mm:ss.t from an hour on."""
    tenths = int(time_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes:02d}:{seconds}"


@lru_cache(maxsize=8)
def _plate(width: int, height: int, opacity: float) -> Sprite:
    canvas = Canvas(width, height)
    canvas.paint(np.ones((height, width), dtype=np.float32), INK, opacity=opacity)
    return canvas.sprite()


@lru_cache(maxsize=8)
def _dot(diameter: int) -> Sprite:
    canvas = Canvas(diameter, diameter)
    canvas.paint(rounded_coverage(diameter, diameter, diameter / 2), _LIVE)
    return canvas.sprite()


def offline_tile(image: UInt8Array, message: str) -> UInt8Array:
    """The last picture of a stream that is gone, dimmed, with OFFLINE and the reason.

    Args:
        image: (H, W, 3) uint8 RGB; black where there never was a picture.
        message: the reason, without credentials.

    Returns:
        A new (H, W, 3) uint8 RGB picture.
    """
    height, width = image.shape[:2]
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    tile = cv2.cvtColor(cv2.convertScaleAbs(gray, alpha=0.28, beta=10), cv2.COLOR_GRAY2RGB)
    size = max(9, round(min(width / 1.5, height) / 24))
    lines = [("OFFLINE", 2 * size, WHITE, BOLD)]
    reason = elided(drawable(message), size, width - 2 * size)
    if reason:
        lines.append((reason, size, DIM, 0.0))
    y = (height - sum(round(line[1] * 1.6) for line in lines)) // 2
    for text, line_size, colour, weight in lines:
        line_height = round(line_size * 1.6)
        sprite = text_sprite(text, line_size, line_height, colour, weight)
        blend(tile, sprite, (width - sprite.width) // 2, y)
        y += line_height
    return tile
