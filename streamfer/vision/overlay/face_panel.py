"""The tag and the panel of bars that stand at a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2

from streamfer.fields import FieldValue
from streamfer.labels import COLOURS_RGB, LABELS, NUM_LABELS
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.overlay.drawing import (
    INK,
    WHITE,
    Canvas,
    Colour,
    Sprite,
    blend,
    pill,
    readable_on,
    rounded_coverage,
    text_coverage,
    text_sprite,
    text_width,
)
from streamfer.vision.overlay.measures import MeasureRow, filled_spans

DIM: Colour = (200, 204, 212)
"""Text that is not the answer."""
_MEASURE: Colour = (226, 230, 238)
"""Bars that belong to no label."""
BOLD = 0.022
"""Stroke in em that makes the one font look half bold."""

_LABELS_BY_VARIANT = (LABELS, tuple(label[:3] for label in LABELS), ("",) * NUM_LABELS)
"""Whole words, three letters, or bars alone: the less room, the less text."""
_BAR_EM = (4.2, 2.6, 2.2)
_PITCH_EM = (1.3, 1.3, 0.56)
_BAR_HEIGHT_EM = (0.6, 0.6, 0.42)
NUM_PANEL_VARIANTS = len(_LABELS_BY_VARIANT)


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """A panel's measures in px."""

    size: int
    """Font size."""
    labels: tuple[str, ...]
    padding: int
    pitch: int
    """From one bar to the next."""
    label_width: int
    bar_width: int
    bar_height: int
    caption: str
    """Under the reconstruction; empty without one."""
    measures: tuple[MeasureRow, ...] = ()
    """Rows under the seven."""

    @property
    def bars_x(self) -> int:
        """Left end of the bars."""
        return self.padding + self.label_width + (self.size // 2 if self.label_width else 0)

    @property
    def picture(self) -> int:
        """Side of the reconstruction, 0 without one."""
        return (NUM_LABELS - 1) * self.pitch if self.caption else 0

    @property
    def picture_column(self) -> int:
        """Width of the reconstruction and its caption, 0 without one."""
        return max(self.picture, text_width(self.caption, self.size)) if self.caption else 0

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the panel."""
        width = self.bars_x + self.bar_width + self.padding
        if self.caption:
            width += self.picture_column + self.padding
        height = NUM_LABELS * self.pitch + 2 * self.padding
        if self.measures:
            height += self.gap + len(self.measures) * self.pitch
        return width, height

    @property
    def gap(self) -> int:
        """Between the seven and the measures."""
        return self.padding

    @property
    def measures_y(self) -> int:
        """Top of the first measure."""
        return self.padding + NUM_LABELS * self.pitch + self.gap

    def bar_places(self, row: MeasureRow) -> list[tuple[int, int]]:
        """Left end and width of each of a measure's bars."""
        count = len(row.bars)
        space = max(2, self.size // 4) if count > 1 else 0
        width = (self.bar_width - (count - 1) * space) // count
        return [(self.bars_x + i * (width + space), width) for i in range(count)]


@lru_cache(maxsize=64)
def panel_layout(
    size: int, variant: int, caption: str = "", measures: tuple[MeasureRow, ...] = ()
) -> PanelLayout:
    """Measures of a panel.

    Args:
        size: font size in px.
        variant: 0 whole labels, 1 three letters, 2 bars alone.
        caption: text under the reconstruction; empty where there is none, and in variant 2.
        measures: rows under the seven; none in variant 2.
    """
    labels = _LABELS_BY_VARIANT[variant]
    names = [*labels, *(row.label for row in measures)]
    return PanelLayout(
        size=size,
        labels=labels,
        padding=max(3, round(size * 0.55)),
        pitch=max(4, round(size * _PITCH_EM[variant])),
        label_width=max(text_width(name, size) for name in names) if labels[0] else 0,
        bar_width=round(size * _BAR_EM[variant]),
        bar_height=max(3, round(size * _BAR_HEIGHT_EM[variant])),
        caption=caption if labels[0] else "",
        measures=measures if labels[0] else (),
    )


def draw_panel(
    image: UInt8Array,
    position: tuple[int, int],
    layout: PanelLayout,
    probs: FloatArray,
    answer: int | None,
    reconstruction: UInt8Array | None,
    opacity: float,
    extra: Mapping[str, FieldValue] | None = None,
) -> None:
    """Draws the seven bars and what the heads say, in place.

    Args:
        image: (H, W, 3) uint8 RGB; the panel lies wholly inside.
        position: left and top of the panel.
        layout: its measures.
        probs: (7,) in [0, 1].
        answer: which label is brightened; None where the answer is uncertain.
        reconstruction: (R, R) or (R, R, 3) uint8; drawn where the layout has a caption for it.
        opacity: of the background.
        extra: what the layout's measures show.
    """
    left, top = position
    blend(image, _panel_background(layout, opacity), left, top)
    row_y = top + layout.padding
    if layout.label_width and answer is not None:
        name = text_sprite(layout.labels[answer], layout.size, layout.pitch, WHITE, BOLD)
        blend(image, name, left + layout.padding, row_y + answer * layout.pitch)
    inset = (layout.pitch - layout.bar_height) // 2
    for row, (label, prob) in enumerate(zip(LABELS, probs, strict=True)):
        length = round(float(prob) * layout.bar_width)
        if length >= 1:
            bar = pill(max(length, layout.bar_height), layout.bar_height, COLOURS_RGB[label])
            if length < layout.bar_height:  # a round end cut short, not a bar that looks longer
                bar = Sprite(bar.colour[:, :length], bar.keep[:, :length])
            blend(image, bar, left + layout.bars_x, row_y + row * layout.pitch + inset)
    if reconstruction is not None and layout.caption:
        _draw_picture(image, left, row_y, layout, reconstruction)
    _draw_measures(image, left, top, layout, extra or {})


def _draw_measures(
    image: UInt8Array, left: int, top: int, layout: PanelLayout, extra: Mapping[str, FieldValue]
) -> None:
    inset = (layout.pitch - layout.bar_height) // 2
    for number, spans in enumerate(filled_spans(layout.measures, extra)):
        y = top + layout.measures_y + number * layout.pitch + inset
        places = layout.bar_places(layout.measures[number])
        for (x, width), span in zip(places, spans, strict=True):
            if span is not None:
                start, end = (left + x + round(share * width) for share in span)
                image[y : y + layout.bar_height, start : max(end, start + 1)] = _MEASURE


def _draw_picture(
    image: UInt8Array, left: int, top: int, layout: PanelLayout, picture: UInt8Array
) -> None:
    """Puts the generator's picture, gray or RGB, into its column."""
    side = layout.picture
    column = left + layout.bars_x + layout.bar_width + layout.padding
    x = column + (layout.picture_column - side) // 2
    shrink = picture.shape[0] > side
    scaled = cv2.resize(
        picture, (side, side), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    )
    image[top : top + side, x : x + side] = scaled if scaled.ndim == 3 else scaled[:, :, None]


@lru_cache(maxsize=24)
def _panel_background(layout: PanelLayout, opacity: float) -> Sprite:
    """Everything of a panel that stays: plate, labels, empty bars, caption."""
    width, height = layout.size_wh
    canvas = Canvas(width, height)
    canvas.paint(rounded_coverage(width, height, layout.size * 0.45), INK, opacity=opacity)
    inset = (layout.pitch - layout.bar_height) // 2
    groove = rounded_coverage(layout.bar_width, layout.bar_height, layout.bar_height / 2)
    for row, label in enumerate(layout.labels):
        y = layout.padding + row * layout.pitch
        if label:
            text = text_coverage(label, layout.size, layout.pitch)
            canvas.paint(text, DIM, layout.padding, y)
        canvas.paint(groove, WHITE, layout.bars_x, y + inset, opacity=0.16)
    for number, measure in enumerate(layout.measures):
        y = layout.measures_y + number * layout.pitch
        text = text_coverage(measure.label, layout.size, layout.pitch)
        canvas.paint(text, DIM, layout.padding, y)
        for x, bar_width in layout.bar_places(measure):
            coverage = rounded_coverage(bar_width, layout.bar_height, layout.bar_height / 4)
            canvas.paint(coverage, WHITE, x, y + inset, opacity=0.16)
    if layout.caption:
        text = text_coverage(layout.caption, layout.size, layout.pitch)
        column = layout.bars_x + layout.bar_width + layout.padding
        x = column + (layout.picture_column - text.shape[1]) // 2
        canvas.paint(text, DIM, max(x, 0), layout.padding + layout.picture)
    return canvas.sprite()


@dataclass(frozen=True, slots=True)
class TagText:
    """What a tag says: the track's number, the answer, how sure; the last two may be empty."""

    number: str
    answer: str
    percent: str


def tag_size(text: TagText, size: int) -> tuple[int, int]:
    """Width and height of a tag in px.

    Args:
        text: what it says.
        size: font size in px.
    """
    number = text_width(text.number, size) + size
    width = number
    if text.answer:
        width += text_width(text.answer, size) + size
    if text.percent:
        # As wide as three digits always, so that the tag doesn't twitch.
        width += text_width("100%", size) + size // 2
    return width, round(size * 1.55)


def draw_tag(
    image: UInt8Array, position: tuple[int, int], text: TagText, size: int, colour: Colour
) -> None:
    """Draws a face's tag, in place: the number on dark, the answer on its colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        position: left and top.
        text: what it says.
        size: font size in px.
        colour: the answer's.
    """
    left, top = position
    width, height = tag_size(text, size)
    number_width = text_width(text.number, size) + size
    blend(image, _tag_background(width, height, number_width, size, colour), left, top)
    half = size // 2
    ink = readable_on(colour)
    blend(image, text_sprite(text.number, size, height, WHITE, BOLD), left + half, top)
    x = left + number_width + half
    if text.answer:
        blend(image, text_sprite(text.answer, size, height, ink, BOLD), x, top)
    if text.percent:
        # Right-aligned: digits that change must not move the word.
        x = left + width - half - text_width(text.percent, size)
        blend(image, text_sprite(text.percent, size, height, ink), x, top)


@lru_cache(maxsize=48)
def _tag_background(
    width: int, height: int, number_width: int, size: int, colour: Colour
) -> Sprite:
    canvas = Canvas(width, height)
    plate = rounded_coverage(width, height, size * 0.35)
    canvas.paint(plate, colour)
    canvas.paint(plate[:, :number_width], INK, opacity=0.9)
    return canvas.sprite()
