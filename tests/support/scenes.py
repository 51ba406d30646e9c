"""Painted people who move as told, and a detector that errs as told: ground truth for trackers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from streamfer.geometry import apply_affine
from streamfer.types import Detection, FloatArray, UInt8Array

_SPRITE_WH = (64, 80)
_LANDMARKS = np.array([[20, 30], [44, 30], [32, 44], [23, 58], [41, 58]], dtype=np.float32)
_SKINS = [(224, 172, 140), (120, 80, 60), (240, 200, 180), (180, 120, 80)]
_HAIRS = [(60, 40, 20), (20, 20, 25), (200, 170, 80), (130, 50, 30)]


@dataclass(frozen=True, slots=True)
class Pose:
    x: float
    y: float
    """Centre of the face, px."""
    width: float = 64.0
    angle: float = 0.0
    """Radians, in the picture plane."""
    turn: float = 1.0
    """Width of the face against its frontal one: a turned head is narrower."""


@dataclass(frozen=True, slots=True)
class Person:
    look: int
    """0–3: skin, hair and the details of the face."""
    path: Callable[[float], Pose | None]
    """Pose at a time in seconds; None while away. Later people stand in front."""


@dataclass(frozen=True, slots=True)
class Scene:
    people: Sequence[Person]
    duration_s: float
    frame_wh: tuple[int, int] = (480, 270)
    shake_px: float = 0.0
    """Standard deviation of the camera's position from frame to frame."""
    pillar: tuple[int, int] | None = None
    """Left and right edge, px, of something that stands in front of everybody."""
    times_s: Sequence[float] | None = None
    """Times of the frames; 24 a second by default."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneFrame:
    index: int
    time_s: float
    image: UInt8Array
    truth: dict[int, Detection] = field(repr=False)
    """Where each person is, by position in the scene."""
    visible: dict[int, float] = field(repr=False)
    """Which share of each person's face one sees."""


@dataclass(frozen=True, slots=True)
class PaintedDetector:
    """Finds what is visible, with noise, misses and inventions."""

    seed: int = 0
    noise: float = 0.01
    """Standard deviation of box edges and landmarks, as a fraction of the width."""
    miss: float = 0.0
    """Share of visible faces that it does not find."""
    invent: float = 0.0
    """Probability of a face where there is none, per frame."""

    def detect(self, frame: SceneFrame) -> list[Detection]:
        rng = np.random.default_rng([self.seed, frame.index])
        found = []
        for person, truth in frame.truth.items():
            width = float(truth.box_xyxy[2] - truth.box_xyxy[0])
            box_noise, landmark_noise = rng.normal(size=4), rng.normal(size=(5, 2))
            missed = rng.random() < self.miss
            if frame.visible[person] >= 0.5 and not missed:
                box = truth.box_xyxy + self.noise * width * box_noise
                landmarks = truth.landmarks + self.noise * width * landmark_noise
                found.append(Detection(box.astype(np.float32), 0.95, landmarks.astype(np.float32)))
        if rng.random() < self.invent:
            height, width_px = frame.image.shape[:2]
            corner = rng.uniform([0, 0], [width_px - 50, height - 60])
            x, y = corner.tolist()
            box = np.array([x, y, x + 40, y + 50], dtype=np.float32)
            landmarks = corner + _LANDMARKS * (40 / _SPRITE_WH[0])
            found.append(Detection(box, 0.55, landmarks.astype(np.float32)))
        return found


def play(scene: Scene) -> Iterator[SceneFrame]:
    """Renders the scene frame by frame."""
    times_s = scene.times_s or [i / 24 for i in range(round(scene.duration_s * 24))]
    rng = np.random.default_rng(7)
    width, height = scene.frame_wh
    wall = _texture(rng, (width + 80, height + 80), 90, 60)
    sprites = [_paint(person.look) for person in scene.people]
    for index, time_s in enumerate(times_s):
        dx, dy = (rng.normal(size=2) * scene.shake_px).clip(-30, 30)
        shift = np.array([[1, 0, dx - 40], [0, 1, dy - 40]], dtype=np.float32)
        image = cv2.warpAffine(wall, shift, (width, height))
        owner = np.full((height, width), -1)
        truth: dict[int, Detection] = {}
        areas: dict[int, int] = {}
        for number, person in enumerate(scene.people):
            pose = person.path(time_s)
            if pose is not None:
                matrix = _placement(pose, dx, dy)
                inside = _draw(image, sprites[number], matrix)
                owner[inside] = number
                areas[number] = _whole_area(matrix)
                truth[number] = _truth(matrix)
        if scene.pillar is not None:
            left, right = scene.pillar
            image[:, left:right] = wall[:height, left:right][:, ::-1] // 2
            owner[:, left:right] = -1
        visible = {n: float((owner == n).sum()) / areas[n] for n in truth}
        yield SceneFrame(index, time_s, image, truth, visible)


def _paint(look: int) -> tuple[UInt8Array, UInt8Array]:
    """A face: (80, 64, 3) picture and (80, 64) mask."""
    rng = np.random.default_rng(100 + look)
    width, height = _SPRITE_WH
    face = np.full((height, width, 3), _SKINS[look], dtype=np.uint8)
    face[:20] = _HAIRS[look]
    freckles = _texture(rng, (width, height), 0, 25).astype(np.int16) - 25
    face = (face.astype(np.int16) + freckles).clip(0, 255).astype(np.uint8)
    for x, y in _LANDMARKS[:2].astype(int).tolist():
        cv2.circle(face, (x, y), 4, (245, 245, 245), -1)
        cv2.circle(face, (x, y), 2, (30, 30, 40), -1)
        cv2.line(face, (x - 6, y - 8), (x + 6, y - 8 + look % 3), _HAIRS[look], 2)
    cv2.line(face, (32, 34), (30 + look, 45), (90, 60, 50), 2)
    cv2.ellipse(face, (32, 58), (9, 3 + look), 0, 0, 360, (150, 40, 50), -1)
    mask = np.zeros((height, width), dtype=np.uint8)
    cv2.ellipse(mask, (32, 40), (32, 40), 0, 0, 360, 255, -1)
    return face, mask


def _texture(rng: np.random.Generator, wh: tuple[int, int], dark: int, contrast: int) -> UInt8Array:
    """Smooth coloured noise, (h, w, 3), dark to dark + 2 × contrast."""
    noise = rng.random((wh[1] // 6 + 1, wh[0] // 6 + 1, 3)).astype(np.float32)
    noise = 0.7 * noise[:, :, :1] + 0.3 * noise
    smooth = cv2.resize(noise, wh, interpolation=cv2.INTER_CUBIC)
    return (dark + 2 * contrast * smooth).clip(0, 255).astype(np.uint8)


def _placement(pose: Pose, dx: float, dy: float) -> FloatArray:
    """(2, 3) matrix from sprite to picture."""
    scale = pose.width / _SPRITE_WH[0]
    cos, sin = math.cos(pose.angle) * scale, math.sin(pose.angle) * scale
    linear = np.array([[cos * pose.turn, -sin], [sin * pose.turn, cos]])
    shift = np.array([pose.x + dx, pose.y + dy]) - linear @ (np.array(_SPRITE_WH) / 2)
    return np.concatenate([linear, shift[:, None]], axis=1).astype(np.float32)


def _draw(
    image: UInt8Array, sprite: tuple[UInt8Array, UInt8Array], matrix: FloatArray
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    height, width = image.shape[:2]
    face = cv2.warpAffine(sprite[0], matrix, (width, height))
    inside = cv2.warpAffine(sprite[1], matrix, (width, height)) > 127
    image[inside] = face[inside]
    return inside


def _whole_area(matrix: FloatArray) -> int:
    """Pixels of the ellipse, had it the whole picture for itself."""
    determinant = float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])
    return max(round(determinant * math.pi * 32 * 40), 1)


def _truth(matrix: FloatArray) -> Detection:
    """Box of the drawn ellipse, and the landmarks."""
    centre = apply_affine(matrix, [[32, 40]])[0]
    half = np.hypot(matrix[:, 0] * 32, matrix[:, 1] * 40)
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Detection(box, 1.0, apply_affine(matrix, _LANDMARKS))
