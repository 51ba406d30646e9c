"""The newest frames of a run, for as long as somebody watches them.

While nobody does, a frame costs one look into an empty table. What is watched is copied, scaled
down, at the rate that its watchers asked for; its JPEG is made when it is sent, once for all who
get it.
"""

from __future__ import annotations

import base64
import json
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from streamfer.pipeline.stats.snapshots import StripFigures
from streamfer.types import FrameResult, StreamEvent, UInt8Array
from streamfer.vision.overlay.overlay import Overlay, StripInfo

_QUALITY = 80
_DRAWING_QUALITY = 85


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a stream."""

    stream: str
    long_side: int | None = None
    """Pixels of the picture's longer side, at most; None: as it is."""
    drawn: bool = False
    """Whether the overlay is in the picture; only at full size."""
    details: bool = False
    """Whether the generator's drawings of the faces come along."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """A frame on its way to watchers."""

    view: View
    record: dict[str, Any]
    """As in the records, with the source picture's `width` and `height`."""
    image: UInt8Array = field(repr=False)
    """(h, w, 3) uint8 RGB: nobody else's."""
    drawings: Mapping[int, UInt8Array] = field(default_factory=dict, repr=False)
    """The generator's drawings of the faces, by track, where the view has details."""
    _encoded: dict[str, bytes] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def jpeg(self) -> bytes:
        """The picture; made by the first call, from any thread."""
        return self._once("jpeg", lambda: _jpeg(self.image, _QUALITY))

    def message(self) -> bytes:
        """What a page gets; made by the first call, from any thread.

        `[length of the JSON, 4 bytes, big-endian][JSON record][JPEG]`; the record has `drawings`,
        base64 JPEGs by track, where there are any.
        """
        jpeg = self.jpeg()
        return self._once("message", lambda: self._packed(jpeg))

    def _packed(self, jpeg: bytes) -> bytes:
        record = dict(self.record)
        if self.view.details:
            record["drawings"] = {str(t): _base64(drawing) for t, drawing in self.drawings.items()}
        text = json.dumps(record, separators=(",", ":")).encode()
        return struct.pack(">I", len(text)) + text + jpeg

    def _once(self, kind: str, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if kind not in self._encoded:
                self._encoded[kind] = make()
            return self._encoded[kind]


@dataclass(slots=True)
class _Demand:
    interval_s: float
    due_s: float = 0.0


class LiveFrames:
    """A sink of every stream that serves those who watch, and nobody else.

    Args:
        clock: monotonic, in seconds.
    """

    name = "web"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.strip_figures: Callable[[str], StripFigures] = lambda _: StripFigures(0.0, None, 0)
        """What the overlay's strip says of a stream."""
        self._overlay = Overlay()
        self._lock = threading.Lock()
        self._wanted: dict[str, dict[View, _Demand]] = {}
        self.on_frame: Callable[[LiveFrame], None] = lambda frame: None
        """Takes what is watched, on an output thread; returns at once."""
        self.on_event: Callable[[StreamEvent], None] = lambda event: None
        """Takes every event, on an output thread; returns at once."""

    def watch(self, view: View, interval_s: float) -> None:
        """Begins to deliver a view, or changes how often.

        Args:
            view: what to look at.
            interval_s: at most one frame in so many seconds; 0: every frame.
        """
        with self._lock:
            self._wanted.setdefault(view.stream, {})[view] = _Demand(interval_s)

    def unwatch(self, view: View) -> None:
        """Ends it."""
        with self._lock:
            views = self._wanted.get(view.stream, {})
            views.pop(view, None)
            if not views:
                self._wanted.pop(view.stream, None)

    def write(self, result: FrameResult) -> None:
        """Takes a frame, for whoever wants it now."""
        if result.frame.stream not in self._wanted:
            return
        now_s = self._clock()
        with self._lock:
            due = []
            for view, demand in self._wanted.get(result.frame.stream, {}).items():
                if now_s >= demand.due_s:
                    demand.due_s += demand.interval_s
                    if demand.due_s <= now_s:  # after a pause: no burst
                        demand.due_s = now_s + demand.interval_s
                    due.append(view)
        for view in due:
            self.on_frame(self._live_frame(view, result))

    def event(self, event: StreamEvent) -> None:
        """Takes an event."""
        self.on_event(event)

    def close(self) -> None:
        """A stream has ended."""

    def _live_frame(self, view: View, result: FrameResult) -> LiveFrame:
        frame = result.frame
        image = _scaled(frame.image, view.long_side)
        if view.drawn:
            figures = self.strip_figures(frame.stream)
            strip = StripInfo(
                frame.stream,
                frame.time_s,
                figures.fps,
                figures.latency_ms,
                figures.dropped,
                live=frame.wall is not None,
            )
            self._overlay.draw(image, result.faces, strip)
        height, width = frame.image.shape[:2]
        record = {**result.record, "width": width, "height": height}
        shown = {
            face.track_id: face.reconstruction if face.imagined is None else face.imagined
            for face in result.faces
            if view.details
        }
        drawings = {track: picture for track, picture in shown.items() if picture is not None}
        return LiveFrame(view, record, image, drawings)


def _scaled(image: UInt8Array, long_side: int | None) -> UInt8Array:
    """A copy, with its longer side at most so long."""
    height, width = image.shape[:2]
    if long_side is None or max(height, width) <= long_side:
        return image.copy()
    scale = long_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _base64(drawing: UInt8Array) -> str:
    return base64.b64encode(_jpeg(drawing, _DRAWING_QUALITY)).decode("ascii")


def _jpeg(image: UInt8Array, quality: int) -> bytes:
    """A picture, (h, w, 3) uint8 RGB or (h, w) uint8 gray, as JPEG."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
