"""Small anti-aliased pictures, made once, cached and blended into frames.

Text, panels and rounded shapes become a `Sprite`; drawing one costs two vectorised passes over its
own rectangle and touches nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw

from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.overlay.lettering import Lettering, font

Colour = tuple[int, int, int]
"""sRGB, 0–255."""

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels; right and bottom are outside."""

WHITE: Colour = (255, 255, 255)
INK: Colour = (13, 15, 20)
"""The dark of panels and halos: nearly black, slightly blue."""


_TEXT_GAMMA = 0.8
"""Thickens the soft edges of thin strokes, which look too faint when blended linearly."""


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A picture with transparency, ready to be blended: `frame · keep / 255 + colour`."""

    colour: UInt8Array = field(repr=False)
    """(h, w, 3) uint8, premultiplied with its opacity."""
    keep: UInt8Array = field(repr=False)
    """(h, w, 3) uint8: how much of the frame stays, 255 where the sprite is clear."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.colour.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.colour.shape[0])


class Canvas:
    """Where a sprite is composed, layer over layer.

    Args:
        width: pixels.
        height: pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._colour = np.zeros((height, width, 3), dtype=np.float32)
        self._keep = np.ones((height, width, 1), dtype=np.float32)

    def paint(
        self, coverage: FloatArray, colour: Colour, x: int = 0, y: int = 0, opacity: float = 1.0
    ) -> None:
        """Lays one colour over what is there.

        Args:
            coverage: (h, w) float32 in [0, 1], the shape; what hangs over the canvas is cut.
            colour: the colour.
            x: left edge of the shape in the canvas, not negative.
            y: top edge.
            opacity: scales `coverage`.
        """
        target = self._colour[y : y + coverage.shape[0], x : x + coverage.shape[1]]
        keep = self._keep[y : y + coverage.shape[0], x : x + coverage.shape[1]]
        alpha = coverage[: target.shape[0], : target.shape[1], None] * opacity
        target *= 1 - alpha
        target += alpha * np.asarray(colour, dtype=np.float32)
        keep *= 1 - alpha

    def sprite(self) -> Sprite:
        """What has been painted."""
        keep = np.repeat(self._keep * 255, 3, axis=2)
        return Sprite(np.rint(self._colour).astype(np.uint8), np.rint(keep).astype(np.uint8))


def blend(image: UInt8Array, sprite: Sprite, x: int, y: int) -> None:
    """Draws a sprite into an image, in place; what lies outside the image is cut.

    Args:
        image: (H, W, 3) uint8 RGB.
        sprite: what to draw.
        x: left edge in the image.
        y: top edge.
    """
    height, width = image.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + sprite.width, width), min(y + sprite.height, height)
    if left >= right or top >= bottom:
        return
    target = image[top:bottom, left:right]
    part = np.s_[top - y : bottom - y, left - x : right - x]
    cv2.multiply(target, sprite.keep[part], dst=target, scale=1 / 255)
    cv2.add(target, sprite.colour[part], dst=target)


def rounded_coverage(width: int, height: int, radius: float) -> FloatArray:
    """Anti-aliased rounded rectangle filling a (height, width) array, float32 in [0, 1]."""
    distance = _distance_to_rounded(width, height, width / 2, height / 2, radius)
    return np.clip(np.float32(0.5) - distance, 0, 1)


def _distance_to_rounded(
    width: int, height: int, half_width: float, half_height: float, radius: float
) -> FloatArray:
    """Signed distance in px of every pixel centre to a centred rounded rectangle's edge."""
    radius = min(radius, half_width, half_height)
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2) - (half_width - radius)
    y = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2) - (half_height - radius)
    outside = np.hypot(np.maximum(x, 0)[None, :], np.maximum(y, 0)[:, None])
    inside = np.minimum(np.maximum(x[None, :], y[:, None]), 0)
    return (outside + inside - radius).astype(np.float32)


@lru_cache(maxsize=256)
def pill(width: int, height: int, colour: Colour) -> Sprite:
    """A bar with round ends."""
    canvas = Canvas(width, height)
    canvas.paint(rounded_coverage(width, height, height / 2), colour)
    return canvas.sprite()


@lru_cache(maxsize=64)
def frame_corner(thickness: int, radius: int, colour: Colour) -> Sprite:
    """The smallest rounded frame: its quarters are corners and its middle lines are edges.

    A dark halo on both sides of the line keeps it visible on any background.

    Args:
        thickness: of the line, in px.
        radius: of the corners' centre line, in px.
        colour: of the line.

    Returns:
        An odd-sized square sprite.
    """
    halo = max(1.0, thickness / 2)
    half_line = thickness / 2
    reach = int(np.ceil(half_line + halo))
    half = radius + reach
    size = 2 * half + 1
    # An odd line is sharp when centred on pixels, an even one between them.
    inset = half - reach + (0.0 if thickness % 2 else 0.5)
    distance = np.abs(_distance_to_rounded(size, size, inset, inset, radius))
    canvas = Canvas(size, size)
    canvas.paint(np.clip(half_line + halo - distance + 0.5, 0, 1), INK, opacity=0.5)
    canvas.paint(np.clip(half_line - distance + 0.5, 0, 1), colour)
    return canvas.sprite()


def draw_frame(image: UInt8Array, rect: Rect, sprite: Sprite) -> None:
    """Draws a rounded frame inside `rect`, in place.

    Args:
        image: (H, W, 3) uint8 RGB.
        rect: where; at least as large as the sprite.
        sprite: from `frame_corner`.
    """
    left, top, right, bottom = rect
    half = sprite.width // 2
    far = half + 1
    for x, columns in ((left, np.s_[:half]), (right - half, np.s_[far:])):
        for y, rows in ((top, np.s_[:half]), (bottom - half, np.s_[far:])):
            corner = Sprite(sprite.colour[rows, columns], sprite.keep[rows, columns])
            blend(image, corner, x, y)
        _draw_edge(image, sprite, (columns, bottom - top - 2 * half), x, top + half, upright=True)
    for y, rows in ((top, np.s_[:half]), (bottom - half, np.s_[far:])):
        _draw_edge(image, sprite, (rows, right - left - 2 * half), left + half, y, upright=False)


def frame_edges(rect: Rect, sprite: Sprite) -> tuple[Rect, ...]:
    """The parts of `rect` that `draw_frame` draws into: its four sides."""
    left, top, right, bottom = rect
    half = sprite.width // 2
    return (
        (left, top, right, top + half),
        (left, bottom - half, right, bottom),
        (left, top + half, left + half, bottom - half),
        (right - half, top + half, right, bottom - half),
    )


def _draw_edge(
    image: UInt8Array, sprite: Sprite, part: tuple[slice, int], x: int, y: int, *, upright: bool
) -> None:
    """Blends a frame's middle line, stretched to a length."""
    across, length = part
    half = sprite.width // 2
    line = np.s_[half : half + 1, across] if upright else np.s_[across, half : half + 1]
    axis = 0 if upright else 1
    # The half that is clear costs as much as the line; cut it off.
    colour, keep = sprite.colour[line], sprite.keep[line]
    blend(image, Sprite(colour.repeat(length, axis), keep.repeat(length, axis)), x, y)


_LETTERING = Lettering()


def drawable(text: str) -> str:
    """`text` in characters that there is a font for; see `Lettering.drawable`."""
    return _LETTERING.drawable(text)


def _oversampling(size: int) -> int:
    """Small text is drawn larger and averaged: a hinted font spaces its letters by whole pixels."""
    return 4 if size < 24 else 1


@lru_cache(maxsize=512)
def text_width(text: str, size: int) -> int:
    """Width of a line of text in px, as `text_coverage` draws it.

    Args:
        text: the line.
        size: font size (em) in px.
    """
    factor = _oversampling(size)
    runs = _LETTERING.runs(text, size * factor)
    return int(np.ceil(sum(face.getlength(piece) for piece, face in runs) / factor)) + 1


def elided(text: str, size: int, room: int) -> str:
    """`text`, its middle replaced by an ellipsis where it is too wide for `room` px."""
    if text_width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = (kept + 1) // 2
        short = f"{text[:head]}…{text[len(text) - (kept - head) :]}"
        if text_width(short, size) <= room:
            return short
    return ""


def text_coverage(text: str, size: int, height: int, weight: float = 0.0) -> FloatArray:
    """One line of text, its capitals centred in the given height.

    Args:
        text: the line; see `drawable`.
        size: font size (em) in px.
        height: of the result, in px.
        weight: extra stroke in em; 0.02 looks half bold.

    Returns:
        (height, `text_width`) float32 in [0, 1].
    """
    factor = _oversampling(size)
    width = text_width(text, size)
    capital = -font(size * factor).getbbox("H", anchor="ls")[1] / factor
    baseline = round((height + capital) / 2) * factor  # on a whole pixel: sharp feet
    picture = Image.new("L", (width * factor, height * factor))
    stroke, x = weight * size * factor, 0.0
    for piece, face in _LETTERING.runs(text, size * factor):
        ImageDraw.Draw(picture).text(
            (x, baseline), piece, fill=255, font=face, anchor="ls", stroke_width=stroke
        )
        x += face.getlength(piece)
    coverage = cv2.resize(
        np.asarray(picture, dtype=np.float32) / 255, (width, height), interpolation=cv2.INTER_AREA
    )
    return np.asarray(np.power(coverage, _TEXT_GAMMA), dtype=np.float32)


@lru_cache(maxsize=192)
def text_sprite(text: str, size: int, height: int, colour: Colour, weight: float = 0.0) -> Sprite:
    """`text_coverage` as a sprite of one colour."""
    coverage = text_coverage(text, size, height, weight)
    canvas = Canvas(coverage.shape[1], height)
    canvas.paint(coverage, colour)
    return canvas.sprite()


def readable_on(background: Colour) -> Colour:
    """Near-black or white, whichever contrasts more (WCAG relative luminance)."""
    linear = [
        (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in background
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if luminance > 0.18 else WHITE
