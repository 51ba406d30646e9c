"""Faces with a number: one tracker per stream, one verb, `update`.

Written here instead of taken from a library. norfair's requirements exclude the current numpy and
rich; trackers and supervision bring seventeen packages (matplotlib, requests, …); all of them count
frames where variable frame rates need seconds, and none carries a face through frames without
detections by looking at the picture. What they would save, a Kalman filter and a call of scipy's
assignment, is shorter than the code that would adapt them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamfer.geometry import apply_affine
from streamfer.tracking.appearance import describe, likeness
from streamfer.tracking.association import match_confident, match_doubtful
from streamfer.tracking.flow import FaceWindow, face_motion, place_window, see_again
from streamfer.tracking.kalman import BoxFilter
from streamfer.types import Detection, FloatArray, UInt8Array

_DETECTION_NOISE = 0.03
"""Standard deviation of a detector's box, as a fraction of the face's size."""
_FLOW_NOISE = 0.015
_APPEARANCE_MEMORY_S = 1.0
"""Time constant with which a track's appearance follows what is seen."""
_MAX_COAST_S = 0.25
"""How long a face is reported by prediction alone."""
_QUICK = 2.0
"""Face sizes per second from which on a face counts as moving quickly."""
_YOUNG_S = 0.3


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """What makes a track."""

    new_score: float = 0.5
    """Detector score from which on a detection may be a new or returning face; below, it can only
    keep a face that is already tracked."""
    memory_s: float = 2.0
    """How long a face that left keeps its number."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face and its number."""

    track_id: int
    """Unique within the stream, from 1, never given again."""
    detection: Detection
    """Where it is in this frame, with the score of its last detection."""
    detected: bool
    """True where the detector found it in this frame; False where it was carried."""


@dataclass(slots=True, eq=False)
class _Track:
    track_id: int
    detection: Detection
    filter: BoxFilter
    window: FaceWindow | None
    appearance: FloatArray | None
    born_s: float
    detected_s: float
    """When the detector last found it."""
    supported_s: float
    """When the detector or the flow last saw it."""
    reported_s: float


class Tracker:
    """Follows the faces of one stream.

    Args:
        config: scores and times.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self._live: list[_Track] = []
        self._lost: list[_Track] = []
        self._next_id = 1
        self._time_s: float | None = None
        self._frame_wh: tuple[int, int] | None = None
        self._missed = False

    @property
    def doubtful(self) -> bool:
        """Whether the detector should soon look again.

        So it is when a face is carried without the flow's support, moves quickly, is new, or was
        not found by the last detection.
        """
        now = self._time_s
        return now is not None and (
            self._missed
            or any(
                t.supported_s < now or t.filter.speed > _QUICK or now - t.born_s < _YOUNG_S
                for t in self._live
            )
        )

    def update(
        self, image: UInt8Array, time_s: float, detections: Sequence[Detection] | None
    ) -> list[TrackedFace]:
        """Takes in the next frame.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            time_s: media time, increasing.
            detections: what the detector found, low scores included; None where it did not run.

        Returns:
            The faces in this frame, by number. After a detection these are the ones it found;
            without one, the ones that were there before, carried along.
        """
        self._follow_frame_size(image)
        dt_s = max(time_s - self._time_s, 0.0) if self._time_s is not None else 0.0
        self._time_s = time_s
        for track in self._lost:
            track.filter.predict(dt_s)
        for track in self._live:
            _carry(track, image, time_s, dt_s)
        if detections is None:
            self._drop_unsupported(time_s)
        else:
            self._associate(image, time_s, detections)
        memory_s = self._config.memory_s
        self._lost = [t for t in self._lost if time_s - t.reported_s <= memory_s]
        for track in self._live:
            track.reported_s = time_s
        return [
            TrackedFace(t.track_id, t.detection, t.detected_s == time_s)
            for t in sorted(self._live, key=lambda t: t.track_id)
        ]

    def _follow_frame_size(self, image: UInt8Array) -> None:
        height, width = image.shape[:2]
        if self._frame_wh is not None and self._frame_wh != (width, height):
            x, y = width / self._frame_wh[0], height / self._frame_wh[1]
            scale = np.array([[x, 0, 0], [0, y, 0]], dtype=np.float32)
            for track in self._live + self._lost:
                track.filter.stretch(x, y)
                track.detection = _moved(track.detection, scale)
                track.window = None
        self._frame_wh = (width, height)

    def _drop_unsupported(self, time_s: float) -> None:
        """Faces outside the picture or carried blindly for too long have left."""
        assert self._frame_wh is not None
        gone = [
            t
            for t in self._live
            if time_s - t.supported_s > _MAX_COAST_S
            or not _inside(t.detection.box_xyxy, self._frame_wh)
        ]
        self._leave(gone)

    def _leave(self, gone: list[_Track]) -> None:
        for track in gone:
            self._live.remove(track)
            track.window = None
        self._lost += gone

    def _associate(self, image: UInt8Array, time_s: float, detections: Sequence[Detection]) -> None:
        confident = [d for d in detections if d.score >= self._config.new_score]
        doubtful = [d for d in detections if d.score < self._config.new_score]
        looks = [describe(image, d.box_xyxy) for d in confident]
        tracks = self._live + self._lost
        pairs = match_confident(
            _boxes([_expected(t) for t in tracks]),
            np.array([time_s - t.reported_s if t in self._lost else 0.0 for t in tracks]),
            _boxes([d.box_xyxy for d in confident]),
            _likeness([t.appearance for t in tracks], looks),
        )
        found = set()
        for row, column in pairs:
            self._found(tracks[row], image, time_s, confident[column], looks[column])
            found.add(tracks[row].track_id)
        left = [t for t in self._live if t.track_id not in found]
        second = match_doubtful(
            _boxes([t.detection.box_xyxy for t in left]), _boxes([d.box_xyxy for d in doubtful])
        )
        for row, column in second:
            self._found(left[row], image, time_s, doubtful[column], None)
            found.add(left[row].track_id)
        gone = [t for t in self._live if t.track_id not in found]
        self._missed = bool(gone)
        self._leave(gone)
        self._live += [t for t in self._lost if t.track_id in found]
        self._lost = [t for t in self._lost if t.track_id not in found]
        taken = {column for _, column in pairs}
        for column, detection in enumerate(confident):
            if column not in taken:
                self._begin(image, time_s, detection, looks[column])

    def _found(
        self,
        track: _Track,
        image: UInt8Array,
        time_s: float,
        detection: Detection,
        look: FloatArray | None,
    ) -> None:
        if look is not None:
            track.appearance = _blend_appearance(track.appearance, look, time_s - track.detected_s)
        track.detection = detection
        track.filter.correct(detection.box_xyxy, _DETECTION_NOISE)
        track.detected_s = track.supported_s = time_s
        track.window = place_window(image, detection.box_xyxy)

    def _begin(
        self, image: UInt8Array, time_s: float, detection: Detection, look: FloatArray | None
    ) -> None:
        self._live.append(
            _Track(
                track_id=self._next_id,
                detection=detection,
                filter=BoxFilter(detection.box_xyxy, _DETECTION_NOISE),
                window=place_window(image, detection.box_xyxy),
                appearance=look,
                born_s=time_s,
                detected_s=time_s,
                supported_s=time_s,
                reported_s=time_s,
            )
        )
        self._next_id += 1


def _carry(track: _Track, image: UInt8Array, time_s: float, dt_s: float) -> None:
    """Moves a live track into this frame: by the flow, or where that fails by prediction."""
    predicted_from = track.filter.box_xyxy
    track.filter.predict(dt_s)
    seen = see_again(track.window, image) if track.window is not None else None
    motion = None
    if track.window is not None and seen is not None:
        motion = face_motion(track.window, seen, track.detection.box_xyxy)
    if motion is None:
        track.detection = _moved(
            track.detection, _box_to_box(predicted_from, track.filter.box_xyxy)
        )
        track.window = None
    else:
        track.detection = _moved(track.detection, motion)
        track.filter.correct(track.detection.box_xyxy, _FLOW_NOISE)
        track.supported_s = time_s
        track.window = seen
    box = track.detection.box_xyxy
    if track.window is None or not track.window.still_fits(box):
        track.window = place_window(image, box)


def _expected(track: _Track) -> FloatArray:
    if track.window is None:
        return track.filter.box_xyxy
    return track.detection.box_xyxy


def _moved(detection: Detection, matrix: FloatArray) -> Detection:
    """Box and landmarks through an affine (2, 3) matrix; a turn does not change the box's shape."""
    x1, y1, x2, y2 = detection.box_xyxy.tolist()
    centre = apply_affine(matrix, [[(x1 + x2) / 2, (y1 + y2) / 2]])[0]
    scale_x = math.hypot(float(matrix[0, 0]), float(matrix[1, 0]))
    scale_y = math.hypot(float(matrix[0, 1]), float(matrix[1, 1]))
    half = np.array([(x2 - x1) * scale_x / 2, (y2 - y1) * scale_y / 2], dtype=np.float32)
    return replace(
        detection,
        box_xyxy=np.concatenate([centre - half, centre + half]),
        landmarks=apply_affine(matrix, detection.landmarks),
    )


def _box_to_box(source: FloatArray, target: FloatArray) -> FloatArray:
    """(2, 3) matrix, scale and shift by axis, that maps one box to another."""
    scale = (target[2:] - target[:2]) / np.maximum(source[2:] - source[:2], 1e-3)
    shift = (target[2:] + target[:2]) / 2 - scale * (source[2:] + source[:2]) / 2
    return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]], dtype=np.float32)


def _inside(box_xyxy: FloatArray, frame_wh: tuple[int, int]) -> bool:
    x, y = ((box_xyxy[:2] + box_xyxy[2:]) / 2).tolist()
    return 0 <= x < frame_wh[0] and 0 <= y < frame_wh[1]


def _boxes(boxes: Sequence[FloatArray]) -> FloatArray:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def _likeness(
    tracks: Sequence[FloatArray | None], detections: Sequence[FloatArray | None]
) -> FloatArray:
    """(n, m) likeness of every pair; 0 where either could not be described."""
    result = np.zeros((len(tracks), len(detections)), dtype=np.float32)
    for row, a in enumerate(tracks):
        for column, b in enumerate(detections):
            if a is not None and b is not None:
                result[row, column] = likeness(a[None], b[None])[0, 0]
    return result


def _blend_appearance(old: FloatArray | None, new: FloatArray, dt_s: float) -> FloatArray:
    if old is None:
        return new
    weight = max(1 - math.exp(-dt_s / _APPEARANCE_MEMORY_S), 0.1)
    mixed = old + weight * (new - old)
    return mixed / (np.linalg.norm(mixed) + 1e-6)
