"""Holds an engine against the float32 reference before `auto` lets it serve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from streamfer.engine import Array, Engine, TensorSpec
from streamfer.types import UInt8Array
from streamfer.vision.astronaut import astronaut

RELATIVE_ERROR_LIMITS = {"fp32": 1e-3, "fp16": 0.02, "bf16": 0.12, "int8": 0.15}
"""Largest root-mean-square difference from the reference that is still the precision's own
rounding, relative to the reference's root mean square, per output. In bf16, with its 8 bits of
mantissa, CenterFace's offsets (small numbers, a fraction of a pixel) are off by 0.085 and its other
outputs by at most 0.016; a broken kernel is off by the order of 1."""

_BATCH = 2
_DYNAMIC_SIDE_PX = 256
_FACE = (slice(0, 256), slice(96, 352))
"""Rows and columns of the portrait that hold the head."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a self-check found."""

    passed: bool
    output: str
    """The output that differs most."""
    relative_error: float

    def to_bytes(self) -> bytes:
        """For the store."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Verdict:
        """From the store."""
        return cls(**json.loads(stored))


def self_check(engine: Engine, reference: Engine) -> Verdict:
    """Runs both engines on the same pictures.

    Args:
        engine: the engine that wants to serve.
        reference: the same network in float32.

    Raises:
        EngineError: one of them failed.
    """
    inputs = sample_inputs(reference.inputs)
    ours, theirs = engine.run(inputs), reference.run(inputs)
    errors = {name: relative_error(ours[name], theirs[name]) for name in theirs}
    worst = max(errors, key=lambda name: errors[name])
    limit = RELATIVE_ERROR_LIMITS[engine.precision]
    return Verdict(bool(errors[worst] <= limit), worst, errors[worst])


def relative_error(actual: Array, expected: Array) -> float:
    """Root mean square of the difference over that of `expected`; infinite for NaN or a shape
    that differs."""
    if actual.shape != expected.shape:
        return float("inf")
    difference = actual.astype(np.float64) - expected.astype(np.float64)
    scale = float(np.sqrt(np.mean(np.square(expected.astype(np.float64)))))
    error = float(np.sqrt(np.mean(np.square(difference)))) / max(scale, 1e-12)
    return error if np.isfinite(error) else float("inf")


def sample_inputs(
    specs: Sequence[TensorSpec],
    batch: int = _BATCH,
    picture_wh: tuple[int, int] = (_DYNAMIC_SIDE_PX, _DYNAMIC_SIDE_PX),
) -> dict[str, Array]:
    """Deterministic inputs that fit the specs: a portrait where one asks for uint8 pictures,
    normally distributed numbers elsewhere.

    Args:
        specs: what the network takes.
        batch: where it takes any.
        picture_wh: width and height of pictures where it takes any.
    """
    rng = np.random.default_rng(0)
    return {spec.name: _sample(spec, rng, batch, picture_wh) for spec in specs}


def _sample(
    spec: TensorSpec, rng: np.random.Generator, batch: int, picture_wh: tuple[int, int]
) -> Array:
    first, *rest = spec.shape
    dynamic = iter(reversed(picture_wh))
    sides = [next(dynamic, _DYNAMIC_SIDE_PX) if side is None else side for side in rest]
    shape = (batch if first is None else first, *sides)
    if spec.dtype == np.uint8 and len(sides) in (2, 3):
        return np.stack([_picture(index, sides) for index in range(shape[0])])
    return rng.standard_normal(shape).astype(spec.dtype)


def _picture(index: int, sides: Sequence[int]) -> UInt8Array:
    """The portrait, whole or its head in turn, as (H, W), (H, W, C) or (C, H, W) uint8."""
    channels_last = len(sides) == 3 and sides[2] in (1, 3)
    height, width = (sides[0], sides[1]) if len(sides) == 2 or channels_last else sides[1:]
    colour = 3 in (sides[0], sides[-1]) and len(sides) == 3
    portrait = astronaut()
    source = portrait[_FACE] if index % 2 else portrait
    picture = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
    if not colour:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return picture.reshape(sides)
    return picture if channels_last else np.ascontiguousarray(picture.transpose(2, 0, 1))
