"""How a face moved between two frames: sparse Lucas–Kanade flow within the face.

Bouguet's pyramidal Lucas–Kanade (OpenCV) on a grid of points, filtered by the forward-backward
error of Kalal et al. (2010), and a robust similarity through what is left. The work is done on a
gray patch in which the face is at most `_FACE_PX` large, so that it costs the same in 4K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.types import FloatArray, UInt8Array

_FACE_PX = 48.0
"""Size of the face in the patch, as the root of its area."""
_MIN_PATCH_PX = 22
"""Windows of which less lies in the picture are of no use."""
_MAX_ENLARGE = 2.0
"""Small faces are enlarged by at most this factor."""
_MARGIN = 0.45
"""Room around the face in its window, as a fraction of its size, for motion."""
_OFF_CENTRE = 0.2
"""How far, in face sizes, a face may drift from the middle of its window, and (as a log of the
ratio) change its size, before the window is placed anew."""
_GRID = np.stack(
    np.meshgrid(np.linspace(0.14, 0.86, 6), np.linspace(0.12, 0.90, 6)), axis=-1
).reshape(-1, 2)
"""Points as fractions of the box; its corners, which show background, are left out below."""
_GRID = _GRID[(((_GRID - [0.5, 0.5]) / [0.5, 0.52]) ** 2).sum(axis=1) < 1.0]
_LK_WINDOW = (7, 7)
"""Small against the face: a larger one mixes neighbouring motions and sees turns too small (by a
quarter with 11 × 11)."""
_LK_LEVELS = 3
"""Halvings of the patch, so that motions of nearly half a face are found all the same."""
_LK_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.02)
_MAX_ROUND_TRIP_PX = 0.7
"""Forward-backward error, in patch pixels, beyond which a point is not believed."""
_MIN_POINTS = 10
_MIN_SHARE = 0.45
"""Of the grid points inside the picture, the share that must agree on one motion."""
_MAX_SCALE = 1.25
"""Change of size from one frame to the next beyond which the flow is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceWindow:
    """A part of a frame around a face, as a small gray picture."""

    origin_xy: tuple[int, int]
    """Top left corner in the frame, px."""
    scale_xy: tuple[float, float]
    """Patch pixels per frame pixel."""
    frame_wh: tuple[int, int]
    centre_xy: tuple[float, float]
    """The face for which it was placed, px of the frame."""
    face_size: float
    gray: UInt8Array = field(repr=False)
    """(h, w) uint8."""

    def to_patch(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) frame pixels to patch pixels."""
        return (points + 0.5 - self.origin_xy) * self.scale_xy - 0.5

    def to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) patch pixels to frame pixels."""
        return (points + 0.5) / self.scale_xy + self.origin_xy - 0.5

    def still_fits(self, box_xyxy: FloatArray) -> bool:
        """Whether a face is near enough to the middle of the window to be followed in it."""
        (x, y), size = _centre(box_xyxy), _size(box_xyxy)
        drift = max(abs(x - self.centre_xy[0]), abs(y - self.centre_xy[1]))
        return (
            drift < _OFF_CENTRE * self.face_size
            and abs(math.log(size / self.face_size)) < _OFF_CENTRE
        )


def place_window(image: UInt8Array, box_xyxy: FloatArray) -> FaceWindow | None:
    """Cuts the window of a face.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xyxy: (4,) px.

    Returns:
        The window, or None where too little of it lies in the picture.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box_xyxy.tolist()
    size = _size(box_xyxy)
    margin = _MARGIN * size
    left, top = max(int(x1 - margin), 0), max(int(y1 - margin), 0)
    right, bottom = min(int(x2 + margin) + 1, width), min(int(y2 + margin) + 1, height)
    scale = min(_FACE_PX / size, _MAX_ENLARGE)
    patch_w, patch_h = round((right - left) * scale), round((bottom - top) * scale)
    if min(patch_w, patch_h) < _MIN_PATCH_PX:
        return None
    return FaceWindow(
        origin_xy=(left, top),
        scale_xy=(patch_w / (right - left), patch_h / (bottom - top)),
        frame_wh=(width, height),
        centre_xy=_centre(box_xyxy),
        face_size=size,
        gray=_shrink(image[top:bottom, left:right], patch_w, patch_h),
    )


def see_again(window: FaceWindow, image: UInt8Array) -> FaceWindow | None:
    """The same window of another frame, or None where the frame has another size."""
    height, width = image.shape[:2]
    if (width, height) != window.frame_wh:
        return None
    left, top = window.origin_xy
    patch_h, patch_w = window.gray.shape
    right = left + round(patch_w / window.scale_xy[0])
    bottom = top + round(patch_h / window.scale_xy[1])
    return FaceWindow(
        origin_xy=window.origin_xy,
        scale_xy=window.scale_xy,
        frame_wh=window.frame_wh,
        centre_xy=window.centre_xy,
        face_size=window.face_size,
        gray=_shrink(image[top:bottom, left:right], patch_w, patch_h),
    )


def face_motion(before: FaceWindow, after: FaceWindow, box_xyxy: FloatArray) -> FloatArray | None:
    """The similarity by which a face moved.

    Args:
        before: window of the frame in which the face is known.
        after: the same window, later.
        box_xyxy: (4,) px, the face in `before`.

    Returns:
        (2, 3) float32 matrix on frame pixels, or None where too few points agree on one.
    """
    x1, y1, x2, y2 = box_xyxy.tolist()
    start = before.to_patch(_GRID * [x2 - x1, y2 - y1] + [x1, y1])
    height, width = before.gray.shape
    start = start[((start >= 1) & (start <= [width - 2, height - 2])).all(axis=1)]
    if len(start) < _MIN_POINTS:
        return None
    origin = start.astype(np.float32)
    end, found, _ = _lucas_kanade(before.gray, after.gray, origin)
    back, found_back, _ = _lucas_kanade(after.gray, before.gray, end)
    round_trip = np.abs(back - origin).max(axis=1)
    good = (found[:, 0] & found_back[:, 0]).astype(bool) & (round_trip < _MAX_ROUND_TRIP_PX)
    needed = max(_MIN_POINTS, _MIN_SHARE * len(start))
    if good.sum() < needed:
        return None
    source = before.to_frame(start[good])
    target = before.to_frame(end[good].astype(np.float64))
    return _robust_similarity(source, target, 1.0 / before.scale_xy[0], needed)


def _lucas_kanade(
    before: UInt8Array, after: UInt8Array, points: FloatArray
) -> tuple[FloatArray, UInt8Array, FloatArray]:
    return cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        None,
        winSize=_LK_WINDOW,
        maxLevel=_LK_LEVELS,
        criteria=_LK_STOP,
    )


def _robust_similarity(
    source: NDArray[np.float64], target: NDArray[np.float64], pixel: float, needed: float
) -> FloatArray | None:
    """Least squares over the points near the median shift, then over those near the first fit.

    `pixel` is the size of a patch pixel, the unit of the errors, in frame pixels.
    """
    # Points as complex numbers: a similarity is z → a·z + b with complex a and b.
    z, w = source @ (1, 1j), target @ (1, 1j)
    shift = w - z
    residual = np.abs(shift - complex(_median(shift.real), _median(shift.imag)))
    a, b = complex(1.0), 0j
    for _ in range(2):
        near = residual <= max(2.5 * _median(residual), 0.5 * pixel)
        z_near, w_near = z[near], w[near]
        if len(z_near) < needed * 0.75:
            return None
        z_mean, w_mean = z_near.sum() / len(z_near), w_near.sum() / len(z_near)
        dz = z_near - z_mean
        a = complex(np.vdot(dz, w_near - w_mean) / np.vdot(dz, dz).real)
        b = complex(w_mean - a * z_mean)
        residual = np.abs(a * z + b - w)
    if _median(residual) > 1.5 * pixel or not 1 / _MAX_SCALE < abs(a) < _MAX_SCALE:
        return None
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], dtype=np.float32)


def _median(values: NDArray[np.float64]) -> float:
    """The upper median; np.median takes ten times as long for a few values."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])


def _shrink(region: UInt8Array, width: int, height: int) -> UInt8Array:
    """(h, w, 3) uint8 RGB to (height, width) uint8 gray, at a cost that depends on the result."""
    # Bilinear sampling at twice the size and then averaging counts 16 pixels for each of the
    # result: enough against aliasing, and several times faster than averaging them all. Of a very
    # large face the other pixels are not even converted.
    double = (2 * width, 2 * height)
    if region.shape[1] > 8 * width:
        region = cv2.resize(region, double, interpolation=cv2.INTER_LINEAR)
    gray = cv2.cvtColor(region, cv2.COLOR_RGB2GRAY)
    if gray.shape[1] > 2 * width:
        gray = cv2.resize(gray, double, interpolation=cv2.INTER_LINEAR)
    if gray.shape != (height, width):
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    return gray


def _centre(box_xyxy: FloatArray) -> tuple[float, float]:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return (x1 + x2) / 2, (y1 + y2) / 2


def _size(box_xyxy: FloatArray) -> float:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return math.sqrt(max((x2 - x1) * (y2 - y1), 1.0))
