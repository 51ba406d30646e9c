"""Faces imagined otherwise: with another expression, or as nobody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from streamfer.app.config import RunConfig
from streamfer.app.config_fields import Show
from streamfer.errors import EngineError
from streamfer.labels import LABELS
from streamfer.models.directions import Directions, load_directions
from streamfer.models.shipped import SHIPPED
from streamfer.pipeline.refine.drawing import Imagine
from streamfer.types import FaceResult, FloatArray

_STRENGTH = 2.5
"""Standard deviations by which a face is moved to look otherwise (docs/latent-per.md)."""
_NOBODIES = 16
"""Faces of nobody among which tracks are spread."""
_PSI = 0.5
"""How far these lie from the average face: far enough to differ, near enough to be drawn well."""
_EMPHASIS = 1.0
"""Standard deviations by which what is read of a face is brought out in the face of nobody."""
_SLOPE, _GAIN, _RATE = 0.2, np.float32(np.sqrt(2)), 0.01
"""Of the mapping's layers; see `models.stylegan2_layers`."""


def imagination(config: RunConfig) -> Imagine | None:
    """How a run imagines faces; None where they are drawn as they are.

    Raises:
        EngineError: the directions or the generator are missing or damaged.
    """
    if config.faces == "synthetic":
        return nobodies(load_directions(SHIPPED.directions), SHIPPED.generator)
    if config.show == "drawing":
        return None
    return otherwise(load_directions(SHIPPED.directions), config.show)


def otherwise(directions: Directions, show: Show) -> Imagine:
    """The same face neutral, or with the second-likeliest expression."""

    def imagine(face: FaceResult, code: FloatArray) -> tuple[str, FloatArray] | None:
        first, second = np.argsort(face.smoothed)[::-1][:2].tolist()
        wanted = LABELS[second] if show == "runner-up" else "neutral"
        if wanted == LABELS[first]:
            return None
        return wanted, directions.moved(code, wanted, _STRENGTH, face.smoothed)

    return imagine


@dataclass(frozen=True, slots=True, eq=False)
class _Expressions:
    """The part of codes that has to do with expressions and pose."""

    mean: FloatArray = field(repr=False)
    basis: FloatArray = field(repr=False)
    """(k, num_ws · w_dim) orthonormal."""

    def of(self, code: FloatArray) -> FloatArray:
        """That part of a code, as its difference from the mean one."""
        difference = (code - self.mean).ravel()
        return (self.basis.T @ (self.basis @ difference)).reshape(code.shape)


def nobodies(directions: Directions, generator: Path) -> Imagine:
    """For each track a face of nobody, with the track's expression and pose.

    Of a person's code no more is taken over than its place along the directions of the seven
    expressions and of the pose.

    Args:
        directions: of the generator.
        generator: file of its weights.

    Raises:
        EngineError: the generator is damaged, or the directions do not know the mean code.
    """
    if directions.mean is None:
        raise EngineError("the directions do not say what the mean code is; train them again")
    rows = directions.vectors.reshape(len(directions.names), -1)
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    expressions = _Expressions(directions.mean, basis[sizes > 1e-3 * sizes[0]])
    people = [
        np.broadcast_to(style, directions.mean.shape) for style in styles(generator, _NOBODIES)
    ]
    plain = [person - expressions.of(person) for person in people]
    seven = np.stack([directions.vector(name) for name in LABELS])

    def imagine(face: FaceResult, code: FloatArray) -> tuple[str, FloatArray] | None:
        read = np.tensordot(face.smoothed, seven, axes=1) * np.float32(_EMPHASIS)
        person = plain[face.track_id % len(plain)]
        return face.emotion, (person + expressions.of(code) + read).astype(np.float32)

    return imagine


def styles(generator: Path, count: int) -> FloatArray:
    """(count, w_dim) styles of random faces: the generator's mapping, without torch.

    Args:
        generator: file of its weights.
        count: how many; always the same ones.

    Raises:
        EngineError: the file is missing or damaged.
    """
    try:
        with safe_open(generator, framework="numpy") as file:
            names = file.keys()
            kept = [name for name in names if name.startswith("mapping.layers.")]
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in kept}
            average = file.get_tensor("mapping.w_avg").astype(np.float32)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise EngineError(f"{generator.name}: cannot read the generator: {error}") from error
    layers = len(tensors) // 2
    width = tensors["mapping.layers.0.weight"].shape[1]
    x = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    x /= np.sqrt(np.mean(x * x, axis=1, keepdims=True))
    for layer in range(layers):
        weight = tensors[f"mapping.layers.{layer}.weight"]
        bias = tensors[f"mapping.layers.{layer}.bias"]
        x = x @ weight.T * np.float32(_RATE / np.sqrt(weight.shape[1])) + bias * np.float32(_RATE)
        x = np.maximum(x, np.float32(_SLOPE) * x) * _GAIN
    return average + np.float32(_PSI) * (x - average)
