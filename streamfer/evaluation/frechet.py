"""Fréchet distance between two sets of pictures in a network's features (Heusel et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the normal distributions fitted to two sets of features.

    Args:
        a: (n, C) features of one set.
        b: (m, C) features of the other.
    """
    mean = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
    covariance_a, covariance_b = (np.cov(x.astype(np.float64), rowvar=False) for x in (a, b))
    # The trace of √(A·B) from a symmetric matrix that has the same eigenvalues: √A·B·√A.
    root = _square_root(np.atleast_2d(covariance_a))
    eigenvalues = np.linalg.eigvalsh(root @ np.atleast_2d(covariance_b) @ root)
    cross = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    traces = np.trace(np.atleast_2d(covariance_a)) + np.trace(np.atleast_2d(covariance_b))
    return float(max(mean @ mean + traces - 2 * cross, 0.0))


def _square_root(symmetric: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
