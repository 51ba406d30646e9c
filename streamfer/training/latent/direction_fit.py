"""Directions of expressions from codes and labels: independent components, or means alike in pose
and light.

The paper's extractor (paper B, 3.2) encodes one person with seven expressions and takes the
independent components of the codes. Here many persons are seen with a few expressions each, so the
effect of every expression on each index is a regression's coefficient, with the persons and what
else differs between pictures held fixed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning

from streamfer.errors import ConfigError
from streamfer.labels import LABELS, NUM_LABELS
from streamfer.models.directions import Directions
from streamfer.types import FloatArray, UInt8Array

Method = Literal["ica", "matched", "means"]
CIRCUMSTANCES = ("yaw", "pitch", "brightness", "contrast")
POSE = CIRCUMSTANCES[:2]
_RIDGE = 1e-3
"""Per face, on standardised circumstances: keeps rare expressions finite."""


@dataclass(frozen=True, slots=True, eq=False)
class CodedFaces:
    """Faces as codes, with what is known of them."""

    codes: FloatArray = field(repr=False)
    """(n, num_ws, w_dim) float32."""
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) index into LABELS."""
    circumstances: FloatArray = field(repr=False)
    """(n, 4) in the order of CIRCUMSTANCES."""
    groups: NDArray[np.int64] = field(repr=False)
    """(n,) the person; one negative number for all of a set whose persons are unknown."""


def circumstances(crops: UInt8Array, landmarks: FloatArray) -> FloatArray:
    """Pose and light of aligned faces, (n, 4).

    Args:
        crops: (n, S, S) uint8 gray.
        landmarks: (n, 5, 2) in the pixels of the crops; NaN where unknown, which counts as
            frontal.

    Returns:
        Yaw and pitch as the nose's place between the eyes and the mouth, in units of the distance
        between the eyes; mean and deviation of the gray values on 0–1.
    """
    eyes = landmarks[:, :2].mean(axis=1)
    mouth = landmarks[:, 3:].mean(axis=1)
    across = np.linalg.norm(landmarks[:, 1] - landmarks[:, 0], axis=1) + 1e-6
    nose = (landmarks[:, 2] - (eyes + mouth) / 2) / across[:, None]
    pose = np.where(np.isfinite(nose), nose, np.nan)
    middle = np.nanmean(pose, axis=0) if np.isfinite(pose).any() else np.zeros(2)
    pose = np.where(np.isfinite(pose), pose, middle)
    gray = crops.reshape(len(crops), -1).astype(np.float32) / 255
    light = np.stack([gray.mean(axis=1), gray.std(axis=1)], axis=1)
    return np.concatenate([pose, light], axis=1).astype(np.float32)


def fit_directions(
    faces: CodedFaces, method: Method, layers: tuple[int, int] | None = None, seed: int = 0
) -> Directions:
    """The seven expressions and the two directions of pose.

    Args:
        faces: to learn from.
        method: `matched`: effects of expressions with person, pose and light held fixed; `ica`:
            independent components of these; `means`: plain means of the classes.
        layers: first and last layer that are moved; None for all.
        seed: of the components.
    """
    shape = faces.codes.shape[1:]
    flat = faces.codes.reshape(len(faces.codes), -1).astype(np.float64)
    effects, nuisance = expression_effects(faces)
    if method == "means":
        raw = _class_means(flat, faces.classes)
    else:
        raw = effects if method == "matched" else components(effects, seed)
        raw = without(raw, nuisance)
    scores = np.concatenate([raw, nuisance[: len(POSE)]])
    vectors = np.stack([one_deviation(row, flat) for row in _in_layers(scores, shape, layers)])
    scores /= scores.std(axis=1, keepdims=True) + 1e-12
    return Directions(
        names=(*LABELS, *POSE),
        vectors=vectors.reshape(-1, *shape).astype(np.float32),
        scores=scores.astype(np.float32),
        mean=faces.codes.mean(axis=0),
    )


def expression_effects(faces: CodedFaces) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What expressions and circumstances do to codes.

    One regression of all codes on the seven expressions and the circumstances, each person having
    a mean of their own.

    Returns:
        (7, d) per expression, less the mean of the seven; (4, d) per standard deviation of each
        circumstance.
    """
    flat = faces.codes.reshape(len(faces.codes), -1).astype(np.float64)
    around = faces.circumstances.astype(np.float64)
    around = (around - around.mean(axis=0)) / (around.std(axis=0) + 1e-9)
    known = np.eye(NUM_LABELS)[faces.classes]
    design = within(np.concatenate([known, around], axis=1), faces.groups)
    pull = _RIDGE * len(design) * np.eye(design.shape[1]) / design.shape[1]
    fitted = np.linalg.solve(design.T @ design + pull, design.T @ within(flat, faces.groups))
    effects = fitted[:NUM_LABELS]
    return effects - effects.mean(axis=0), fitted[NUM_LABELS:]


def components(effects: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """For each expression the independent component that it weighs most, signed as it weighs it.

    FastICA (Hyvärinen 1999) on the matrix of indices × expressions; one moves along sources, and
    the mixing matrix says whose they are.

    Args:
        effects: (7, d).
        seed: of the start.

    Returns:
        (7, d) sources; two expressions may share one.

    Raises:
        ConfigError: there is nothing to find.
    """
    centred = effects.T - effects.T.mean(axis=0)
    # Expressions without faces of their own leave fewer; whitening would divide by nothing.
    rank = int(np.linalg.matrix_rank(centred, tol=1e-6 * np.linalg.norm(centred) + 1e-12))
    if rank == 0:
        raise ConfigError("the faces' codes do not differ between expressions")
    ica = FastICA(
        min(rank, NUM_LABELS - 1), random_state=seed, max_iter=1000, whiten="unit-variance"
    )
    # It divides by every singular value before it drops those beyond the rank.
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # Components that have not settled show in `stability`, which is reported.
        warnings.simplefilter("ignore", ConvergenceWarning)
        sources = ica.fit_transform(effects.T)
    mixing = ica.mixing_
    chosen = np.abs(mixing).argmax(axis=1)
    signs = np.sign(mixing[np.arange(NUM_LABELS), chosen])
    return (sources[:, chosen] * signs).T


def stability(effects: NDArray[np.float64], seeds: int) -> NDArray[np.float64]:
    """(7,) mean cosine between the components of the first seed and of the others."""
    first, *others = (_unit(components(effects, seed)) for seed in range(seeds))
    return np.mean([(first * other).sum(axis=1) for other in others], axis=0)


def without(directions: NDArray[np.float64], nuisance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions (n, d) less what they share with the span of others (m, d)."""
    basis = np.linalg.qr(nuisance.T)[0]
    return directions - directions @ basis @ basis.T


def _class_means(flat: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.eye(NUM_LABELS)[classes]
    means = counts.T @ flat / np.maximum(counts.sum(axis=0), 1)[:, None]
    return means - flat.mean(axis=0)


def within(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows less the mean of their group."""
    _, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return values - (sums / np.bincount(index)[:, None])[index]


def _in_layers(
    rows: NDArray[np.float64], shape: tuple[int, ...], layers: tuple[int, int] | None
) -> NDArray[np.float64]:
    if layers is None:
        return rows
    kept = rows.reshape(len(rows), *shape).copy()
    kept[:, : layers[0]] = 0
    kept[:, layers[1] + 1 :] = 0
    return kept.reshape(len(rows), -1)


def one_deviation(row: NDArray[np.float64], flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction, as long as the codes' standard deviation along it."""
    unit = row / (np.linalg.norm(row) + 1e-12)
    return unit * (flat @ unit).std()


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12)
