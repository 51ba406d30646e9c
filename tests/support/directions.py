"""Directions for small latent networks."""

from __future__ import annotations

import numpy as np

from streamfer.labels import LABELS
from streamfer.models.directions import Directions


def random_directions(num_ws: int, w_dim: int) -> Directions:
    """The shipped ones' names with random vectors."""
    random = np.random.default_rng(0)
    names = (*LABELS, "yaw", "pitch")
    vectors = random.normal(size=(len(names), num_ws, w_dim)).astype(np.float32)
    return Directions(names, vectors, vectors.reshape(len(names), -1))
