"""What serving meets and the data set lacks: jitter, blur, compression, bad light, occlusion.

The geometric part is composed with the alignment, so that a picture is resampled once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from streamfer.training.faces.sketch import pencil_sketch
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE, warp_face

_GRAY_LEVELS = np.arange(256, dtype=np.float32) / 255
_SKETCH_KERNELS = (3, 5, 5, 7)


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Ranges and chances, each for one face."""

    rotation_deg: float = 12.0
    """Uniform, either way; beyond what alignment leaves."""
    log2_scale: float = 0.25
    """Uniform, either way, in octaves."""
    shift: float = 0.06
    """Uniform, either way, as a fraction of the crop."""
    stretch: float = 0.06
    """Uniform, either way: width against height, as boxes and lenses differ."""
    flip: float = 0.5
    surroundings: float = 0.6
    """Another picture or an even gray beyond the edge, as in a frame; else the edge repeats."""
    unaligned: float = 0.1
    """The crop that serving falls back to where landmarks fail."""
    light: float = 0.4
    """Gamma, contrast and brightness together; a fifth of these are dark and noisy."""
    blur: float = 0.12
    resample: float = 0.1
    """Reduced to 20–48 px and enlarged again, as a distant face is."""
    jpeg: float = 0.1
    sketch: float = 0.12
    """Pencil drawing (paper B)."""
    erase: float = 0.3
    """A rectangle of 3–20 % of the area, in gray or noise (Zhong et al., 2020)."""

    def scaled(self, strength: float) -> AugmentConfig:
        """Every range and chance times `strength`, but for those that leave a face as good:
        `flip` and `surroundings`."""
        changed = {name: value * strength for name, value in asdict(self).items()}
        same = {"flip": self.flip, "surroundings": self.surroundings}
        return AugmentConfig(**{**changed, **same})


def augment_face(
    picture: UInt8Array,
    to_crop: FloatArray,
    to_whole: FloatArray,
    other: UInt8Array,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> UInt8Array:
    """One randomly changed aligned crop.

    Args:
        picture: (H, W) uint8 gray.
        to_crop: (2, 3) matrix from the picture to its aligned crop.
        to_whole: (2, 3) matrix from the picture to the crop without landmarks.
        other: (H, W) uint8 gray, another picture, which may stand around this one.
        config: what may happen.
        rng: the source of chance; a fixed number of draws is not promised.

    Returns:
        (64, 64) uint8.
    """
    base = to_whole if rng.random() < config.unaligned else to_crop
    matrix = compose(random_similarity(config, rng), base)
    face = warp_face(picture, matrix)
    if rng.random() < config.surroundings:
        face = _surround(face, picture, matrix, other, rng)
    chance = rng.random(6)
    if chance[0] < config.resample:
        face = _resample(face, rng)
    if chance[1] < config.blur:
        face = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.4, 1.5))
    if chance[2] < config.light:
        face = _relight(face, rng)
    if chance[3] < config.jpeg:
        face = _compress(face, rng)
    if chance[4] < config.sketch:
        face = pencil_sketch(face, int(rng.choice(_SKETCH_KERNELS)))
    if chance[5] < config.erase:
        face = _erase(face, rng)
    return face


def random_similarity(config: AugmentConfig, rng: np.random.Generator) -> FloatArray:
    """(2, 3) float32 random map of the crop onto itself about its centre."""
    turn, octaves, right, down, wide = rng.uniform(-1, 1, 5)
    angle = np.deg2rad(turn * config.rotation_deg)
    scale = 2.0 ** (octaves * config.log2_scale)
    stretch = 1.0 + wide * config.stretch / 2
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    mirror = -1.0 if rng.random() < config.flip else 1.0
    linear = np.array(
        [[cos * stretch * mirror, -sin / stretch], [sin * stretch * mirror, cos / stretch]]
    )
    centre = np.full(2, (FACE_SIZE - 1) / 2)
    shift = centre + np.array([right, down]) * config.shift * FACE_SIZE - linear @ centre
    return np.concatenate([linear, shift[:, None]], axis=1).astype(np.float32)


def compose(second: FloatArray, first: FloatArray) -> FloatArray:
    """The (2, 3) matrix that applies `first`, then `second`."""
    combined = second[:, :2] @ first
    combined[:, 2] += second[:, 2]
    return combined


def _surround(
    face: UInt8Array,
    picture: UInt8Array,
    matrix: FloatArray,
    other: UInt8Array,
    rng: np.random.Generator,
) -> UInt8Array:
    size = face.shape[::-1]
    inside = cv2.warpAffine(np.ones(picture.shape, np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        around = np.full(face.shape, rng.integers(256), np.uint8)
    else:
        around = np.roll(cv2.resize(other, size), rng.integers(0, size), (0, 1))
    return np.where(inside, face, around)


def _resample(face: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    side = int(rng.integers(20, 49))
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, face.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _relight(face: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    curve = _GRAY_LEVELS ** (2.0 ** rng.uniform(-1, 1))
    dark = rng.random() < 0.2
    if dark:
        curve = curve * rng.uniform(0.1, 0.4)
    else:
        curve = (curve - 0.5) * rng.uniform(0.5, 1.4) + 0.5 + rng.uniform(-0.2, 0.2)
    face = cv2.LUT(face, np.clip(curve * 255, 0, 255).astype(np.uint8))
    if not dark:
        return face
    noise = rng.normal(0, rng.uniform(1, 6), face.shape)
    return np.clip(face + noise, 0, 255).astype(np.uint8)


def _compress(face: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 91))]
    encoded = cv2.imencode(".jpg", face, quality)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _erase(face: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    side = face.shape[0]
    area, aspect = rng.uniform(0.03, 0.20) * side * side, 2.0 ** rng.uniform(-1, 1)
    height = min(int(np.sqrt(area * aspect)), side - 1)
    width = min(int(np.sqrt(area / aspect)), side - 1)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    face = face.copy()
    noisy = rng.random() < 0.5
    fill = rng.integers(0, 256, (height, width) if noisy else None, dtype=np.uint8)
    face[top : top + height, left : left + width] = fill
    return face
