"""Directions found again in codes that were made from known ones."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.latent.direction_fit import (
    CodedFaces,
    circumstances,
    components,
    fit_directions,
    stability,
    without,
)

_SHAPE = (4, 10)


def made_faces(
    seed: int = 0,
) -> tuple[CodedFaces, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Codes of 100 persons: identity, expression and light; happy faces are brighter."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(7, 40))
    truth -= truth.mean(axis=0)
    light = random.normal(size=40) * 3
    classes = random.integers(0, 7, 1400)
    groups = np.repeat(np.arange(100), 14)
    identity = random.normal(size=(100, 40)) * 2
    around = random.normal(size=(1400, 4))
    around[:, 2] += 2 * (classes == LABELS.index("happy"))
    codes = truth[classes] + identity[groups] + around[:, 2:3] * light
    codes += 0.1 * random.normal(size=codes.shape)
    faces = CodedFaces(
        codes.reshape(-1, *_SHAPE).astype(np.float32), classes, around.astype(np.float32), groups
    )
    return faces, without(truth, light[None])


def cosines(a: object, b: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    left, right = (np.asarray(x, np.float64).reshape(7, -1) for x in (a, b))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms


def test_matched_means_are_free_of_the_light_that_plain_means_carry() -> None:
    faces, truth = made_faces()
    matched = fit_directions(faces, "matched").vectors[:7]
    plain = fit_directions(faces, "means").vectors[:7]
    # Yaw, pitch and contrast did nothing here, so three of 40 dimensions go by chance.
    assert cosines(matched, truth).min() > 0.95
    assert cosines(plain, truth)[LABELS.index("happy")] < 0.9


def test_one_unit_is_a_standard_deviation_of_the_codes() -> None:
    faces, _ = made_faces()
    vector = fit_directions(faces, "matched").vectors[3].reshape(-1)
    along = faces.codes.reshape(len(faces.codes), -1) @ vector / np.linalg.norm(vector)
    assert np.linalg.norm(vector) == pytest.approx(along.std(), rel=1e-3)


def test_only_the_chosen_layers_move() -> None:
    faces, _ = made_faces()
    vectors = fit_directions(faces, "matched", layers=(1, 2)).vectors
    assert not vectors[:, [0, 3]].any()
    assert np.abs(vectors[:, 1:3]).sum() > 0


def test_each_expression_gets_the_component_that_it_weighs_most() -> None:
    random = np.random.default_rng(1)
    sources = random.laplace(size=(6, 2000))
    effects = np.concatenate([sources, -sources.sum(axis=0, keepdims=True)])
    found = components(effects, seed=0)
    for row in range(6):
        assert np.corrcoef(found[row], effects[row])[0, 1] > 0.9
    assert stability(effects, 3).shape == (7,)


def test_expressions_that_the_data_lack_leave_fewer_components() -> None:
    effects = np.zeros((7, 50))
    effects[:3] = np.random.default_rng(0).laplace(size=(3, 50))
    assert np.isfinite(components(effects, seed=0)).all()
    with pytest.raises(ConfigError, match="do not differ"):
        components(np.ones((7, 50)), seed=0)


def test_circumstances_are_pose_and_light() -> None:
    crops = np.stack([np.full((64, 64), 51, np.uint8), np.full((64, 64), 204, np.uint8)])
    front = np.array([[20, 25], [44, 25], [32, 38], [24, 50], [40, 50]], np.float32)
    turned = front.copy()
    turned[2, 0] += 6
    found = circumstances(
        np.concatenate([crops, crops[:1]]), np.stack([front, turned, front * np.nan])
    )
    assert found[1, 0] - found[0, 0] == pytest.approx(6 / 24, abs=1e-4)
    assert found[:, 2].tolist() == pytest.approx([0.2, 0.8, 0.2])
    assert np.isfinite(found).all()
