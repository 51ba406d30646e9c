"""One face over time: how it is carried, found again, and lost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from streamfer.geometry import apply_affine
from streamfer.tracking.flow import FaceWindow, face_motion, place_window, see_again
from streamfer.tracking.kalman import BoxFilter
from streamfer.types import Detection, FloatArray, UInt8Array

_DETECTION_NOISE = 0.03
"""Standard deviation of a detector's box, as a fraction of the face's size."""
_FLOW_NOISE = 0.015
"""The same of a box carried by the flow from one frame to the next."""
_TRUST_IN_DETECTION = 0.5
"""Weight of a detection that agrees with the carried face: half of the difference is jitter. It
rises to 1 with the difference, so that nothing lags."""
_DISAGREEMENT = 0.05
"""Mean difference of box or landmarks, as a fraction of the box's width, at which the detection
counts alone."""
_APPEARANCE_MEMORY_S = 1.0
"""Time constant with which the known appearance follows what is seen."""


class Track:
    """A numbered face.

    Attributes:
        track_id: its number.
        detection: where it is, or was when it left.
        appearance: what it looks like, see `streamfer.tracking.appearance.describe`.
        since_s: since when it has been in the picture without a break.
        detected_s: when the detector last found it.
        supported_s: when the detector or the flow last saw it.
        reported_s: when it was last in a result.
        before_cut: whether it was last detected before a hard cut, so that its place says nothing.
        awaited: whether it is still to be found a second time before it counts as a face.
    """

    detection: Detection
    since_s: float
    detected_s: float
    supported_s: float
    reported_s: float
    before_cut: bool
    awaited: bool
    _filter: BoxFilter
    _window: FaceWindow | None
    _anchor: Detection  # where it is in the window

    def __init__(
        self,
        track_id: int,
        image: UInt8Array,
        time_s: float,
        detection: Detection,
        look: FloatArray,
        *,
        awaited: bool = False,
    ) -> None:
        self.track_id = track_id
        self.awaited = awaited
        self.appearance = look
        self.returned(image, time_s, detection)

    @property
    def speed(self) -> float:
        """Face sizes per second."""
        return self._filter.speed

    def carry(self, image: UInt8Array, time_s: float, dt_s: float) -> None:
        """Moves it into the next frame: by the flow, or where that fails by prediction."""
        seen = see_again(self._window, image) if self._window is not None else None
        motion = None
        if self._window is not None and seen is not None:
            motion = face_motion(self._window, seen, self._anchor.box_xyxy)
        if motion is None:
            # Window and anchor stay those of the last frame in which it was seen, so that the
            # flow picks it up again there, not on whatever lies under the predicted box.
            self.wait(dt_s)
            return
        self._filter.predict(dt_s)
        self.detection = _moved(self._anchor, motion)
        self._filter.correct(self.detection.box_xyxy, _FLOW_NOISE)
        self.supported_s = time_s
        self._window = seen
        self._look_on(image)

    def wait(self, dt_s: float) -> None:
        """Moves it by prediction alone."""
        before = self._filter.box_xyxy
        self._filter.predict(dt_s)
        self.detection = _moved(self.detection, _box_to_box(before, self._filter.box_xyxy))

    def found(self, image: UInt8Array, time_s: float, detection: Detection) -> None:
        """Takes in a detection of this frame, after `carry`."""
        if self.supported_s == time_s:
            detection = _steadied(detection, self.detection)
        else:
            self._window = None  # that of an older frame
        self.detection = detection
        self._filter.correct(detection.box_xyxy, _DETECTION_NOISE)
        self.detected_s = self.supported_s = time_s
        self.before_cut = False
        self._look_on(image)

    def returned(self, image: UInt8Array, time_s: float, detection: Detection) -> None:
        """Takes in a detection of this frame, after `wait`: it was away."""
        self.detection = detection
        self.since_s = self.detected_s = self.supported_s = self.reported_s = time_s
        self.before_cut = False
        self._filter = BoxFilter(detection.box_xyxy, _DETECTION_NOISE)
        self._window = place_window(image, detection.box_xyxy)
        self._anchor = detection

    def learn(self, look: FloatArray, passed_s: float) -> None:
        """Draws the known appearance towards what it looked like `passed_s` after the last time."""
        weight = -math.expm1(-passed_s / _APPEARANCE_MEMORY_S)
        self.appearance = self.appearance + weight * (look - self.appearance)

    def stretch(self, x: float, y: float) -> None:
        """Follows a change of picture size by the factors `x` and `y`."""
        self._filter.stretch(x, y)
        self.detection = _moved(self.detection, np.array([[x, 0, 0], [0, y, 0]], dtype=np.float32))
        self._window = None

    def _look_on(self, image: UInt8Array) -> None:
        """Makes this frame the one that the flow starts from."""
        box = self.detection.box_xyxy
        self._anchor = self.detection
        if self._window is None or not self._window.still_fits(box):
            self._window = place_window(image, box)


def _steadied(detection: Detection, carried: Detection) -> Detection:
    """A detection with less jitter: drawn towards the carried face where the two agree."""
    box_step = detection.box_xyxy - carried.box_xyxy
    landmark_step = detection.landmarks - carried.landmarks
    off = max(
        float(np.abs(box_step).mean()),
        float(np.sqrt((landmark_step**2).sum(axis=1)).mean()),
    )
    width = max(float(detection.box_xyxy[2] - detection.box_xyxy[0]), 1.0)
    doubt = min(off / (_DISAGREEMENT * width), 1.0)
    weight = np.float32(_TRUST_IN_DETECTION + (1 - _TRUST_IN_DETECTION) * doubt)
    return replace(
        detection,
        box_xyxy=carried.box_xyxy + weight * box_step,
        landmarks=carried.landmarks + weight * landmark_step,
    )


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
