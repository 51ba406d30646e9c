"""What a viewer sees of the analysis: boxes, tags, expression bars and a status strip.

Everything is drawn in place and in small rectangles, which `Overlay.draw` returns: outside them
the picture is untouched, bit for bit. The coloured bars beside the face follow Fig. 9 of
"Multi-Pose Facial Expression Recognition Using Hybrid Deep Learning Model with Improved Variant of
GAN".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamfer.labels import COLOURS_RGB, LABELS, UNCERTAIN
from streamfer.types import FaceResult, UInt8Array
from streamfer.vision.overlay.drawing import (
    Colour,
    Rect,
    draw_frame,
    frame_corner,
    frame_edges,
)
from streamfer.vision.overlay.face_panel import (
    NUM_PANEL_VARIANTS,
    TagText,
    draw_panel,
    draw_tag,
    panel_layout,
    tag_size,
)
from streamfer.vision.overlay.measures import rows_of
from streamfer.vision.overlay.placement import Choice, cheapest, panel_candidates, tag_candidates
from streamfer.vision.overlay.status_strip import StripInfo, draw_strip, strip_rect

__all__ = ["Overlay", "OverlayConfig", "StripInfo"]

_GREY: Colour = (104, 108, 118)

_FONT_SIZES = (9, 10, 11, 12, 13, 14, 16, 18, 20, 23, 26, 30, 34, 39, 45, 52, 60, 68, 80)
"""In px; few of them, so that drawn text is used again and again."""
_SIZE_TOLERANCE = 0.15
"""A face keeps its font size until the fitting one differs by more than this fraction."""

_CROWD = 8
"""With more faces than this, panels would hide the picture."""
_CROWD_PANELS = 2
"""Faces that keep their panel in a crowd: the largest."""
_PANEL_LOYALTY = 1.3
"""How much larger another face must be to take a panel over, so that none flickers."""


@dataclass(frozen=True, slots=True)
class OverlayConfig:
    """How the overlay looks."""

    strip: bool = True
    """Whether there is a status strip along the bottom edge."""
    bars: bool = True
    """Whether the seven bars stand beside each face."""
    opacity: float = 0.66
    """Of panels and strip, 0–1."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How a track was drawn in the frame before; it changes only for a reason."""

    size: int
    tag: Choice | None
    panel: Choice | None


@dataclass(slots=True)
class _Scene:
    """One frame being drawn."""

    image: UInt8Array
    area: Rect
    """Where tags and panels may be."""
    boxes: list[Rect]
    with_panel: frozenset[int]
    """Indices of the faces that get one."""
    placed: list[Rect] = field(default_factory=list)
    """Tags and panels that are drawn already."""


class Overlay:
    """Draws results into frames.

    It remembers where each face's panel was, per stream, so that panels don't flutter. One
    instance may serve several streams, each of them from one thread at a time.

    Args:
        config: how it looks.
    """

    def __init__(self, config: OverlayConfig | None = None) -> None:
        self._config = config or OverlayConfig()
        self._looks: dict[str, dict[int, _Look]] = {}

    def draw(
        self, image: UInt8Array, faces: Sequence[FaceResult], strip: StripInfo
    ) -> tuple[Rect, ...]:
        """Draws faces and strip, in place.

        Args:
            image: (H, W, 3) uint8 RGB, writable.
            faces: the frame's results.
            strip: what the strip says.

        Returns:
            The rectangles that may have changed; every pixel outside them is as it was.
        """
        height, width = image.shape[:2]
        area = (0, 0, width, height)
        touched: list[Rect] = []
        band = strip_rect(width, height) if self._config.strip else None
        if band is not None:
            touched.append(band)
            area = (0, 0, width, band[1])
        thickness = max(1, round(min(width, height) / 300))
        corners = [frame_corner(thickness, 3 * thickness + 1, _colour(f)) for f in faces]
        if corners and corners[0].width > min(width, area[3]):
            faces, corners = (), []  # no room for a frame
        boxes = [_box_rect(f, area, c.width) for f, c in zip(faces, corners, strict=True)]
        for box, sprite in zip(boxes, corners, strict=True):
            draw_frame(image[: area[3]], box, sprite)
        before = self._looks.get(strip.stream, {})
        scene = _Scene(image, area, boxes, self._with_panel(faces, boxes, before))
        # In the order of their numbers, which is the same in every frame: the first to choose a
        # place stays the first.
        order = sorted(range(len(faces)), key=lambda i: faces[i].track_id)
        self._looks[strip.stream] = {
            faces[i].track_id: self._draw_face(scene, faces[i], i, before.get(faces[i].track_id))
            for i in order
        }
        if band is not None:
            draw_strip(image, band, strip, self._config.opacity)
        edges = (frame_edges(*pair) for pair in zip(boxes, corners, strict=True))
        return (*touched, *scene.placed, *itertools.chain.from_iterable(edges))

    def _with_panel(
        self, faces: Sequence[FaceResult], boxes: Sequence[Rect], before: Mapping[int, _Look]
    ) -> frozenset[int]:
        """Indices of the faces whose bars are shown."""
        if not self._config.bars:
            return frozenset()
        if len(faces) <= _CROWD:
            return frozenset(range(len(faces)))

        def weight(index: int) -> float:
            left, top, right, bottom = boxes[index]
            look = before.get(faces[index].track_id)
            had = look is not None and look.panel is not None
            return (right - left) * (bottom - top) * (_PANEL_LOYALTY if had else 1.0)

        return frozenset(sorted(range(len(faces)), key=weight, reverse=True)[:_CROWD_PANELS])

    def _draw_face(
        self, scene: _Scene, face: FaceResult, index: int, before: _Look | None
    ) -> _Look:
        """Draws one face's tag and panel."""
        size = _font_size(scene, scene.boxes[index], before.size if before else None)
        tag = self._draw_tag(scene, face, index, size, before.tag if before else None)
        panel = None
        if index in scene.with_panel:
            panel = self._draw_panel(scene, face, index, size, before.panel if before else None)
        return _Look(size, tag, panel)

    def _draw_tag(
        self, scene: _Scene, face: FaceResult, index: int, size: int, before: Choice | None
    ) -> Choice | None:
        number = str(face.track_id)
        if face.uncertain:
            texts = [TagText(number, UNCERTAIN, ""), TagText(number, "?", "")]
        else:
            percent = f"{float(face.smoothed[LABELS.index(face.emotion)]) * 100:.0f}%"
            texts = [TagText(number, face.emotion, percent), TagText(number, face.emotion, "")]
        if len(scene.boxes) > _CROWD:
            short = "?" if face.uncertain else face.emotion[:3]
            texts = [TagText(number, short, "")]
        texts.append(TagText(number, "", ""))
        box = scene.boxes[index]
        others = [other for i, other in enumerate(scene.boxes) if i != index]
        candidates = tag_candidates(box, [tag_size(text, size) for text in texts], scene.area)
        spot = cheapest(candidates, others, scene.placed, before)
        if spot is None:
            return None
        text = texts[spot.choice.variant]
        draw_tag(scene.image, spot.rect[:2], text, size, _colour(face))
        scene.placed.append(spot.rect)
        return spot.choice

    def _draw_panel(
        self, scene: _Scene, face: FaceResult, index: int, size: int, before: Choice | None
    ) -> Choice | None:
        picture, caption = _beside(face)
        measures = rows_of(face.extra)
        layouts = [
            panel_layout(size, variant, caption, measures) for variant in range(NUM_PANEL_VARIANTS)
        ]
        candidates = panel_candidates(
            scene.boxes[index], [layout.size_wh for layout in layouts], scene.area, size // 2
        )
        spot = cheapest(candidates, scene.boxes, scene.placed, before)
        if spot is None:
            return None
        draw_panel(
            scene.image,
            spot.rect[:2],
            layouts[spot.choice.variant],
            face.smoothed,
            None if face.uncertain else LABELS.index(face.emotion),
            picture,
            self._config.opacity,
            face.extra,
        )
        scene.placed.append(spot.rect)
        return spot.choice


def _beside(face: FaceResult) -> tuple[UInt8Array | None, str]:
    """The picture that stands beside a face's bars, and what is under it."""
    if face.imagined is not None and face.imagined_as is not None:
        return face.imagined, f"{face.imagined_as}?"
    if face.reconstruction is None:
        return None, ""
    return face.reconstruction, face.latent_kind or "reconstruction"


def _colour(face: FaceResult) -> Colour:
    return _GREY if face.uncertain else COLOURS_RGB[face.emotion]


def _box_rect(face: FaceResult, area: Rect, smallest: int) -> Rect:
    """The face's box in whole pixels, at least `smallest` wide and high, inside `area`."""
    x1, y1, x2, y2 = (float(v) for v in face.detection.box_xyxy)
    left, right = _span(x1, x2, smallest, area[2])
    top, bottom = _span(y1, y2, smallest, area[3])
    return left, top, right, bottom


def _span(low: float, high: float, smallest: int, limit: int) -> tuple[int, int]:
    start, end = max(round(low), 0), min(round(high) + 1, limit)
    if end - start < smallest:
        start = min(max((start + end - smallest) // 2, 0), max(limit - smallest, 0))
        end = min(start + smallest, limit)
    return start, end


def _font_size(scene: _Scene, box: Rect, before: int | None) -> int:
    """Font size for a face in px: a panel about as high as the face, readable in the frame.

    Args:
        scene: the frame.
        box: the face.
        before: the size that it had, kept while it fits.
    """
    short_side = min(scene.image.shape[:2])
    low, high = max(9.0, short_side / 68), max(9.0, short_side / 30)
    wanted = min(max((box[3] - box[1]) / 11, low), high)
    if before is not None and abs(before / wanted - 1) <= _SIZE_TOLERANCE:
        return before
    return min(_FONT_SIZES, key=lambda size: abs(size - wanted))
