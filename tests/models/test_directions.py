"""Directions as files, and codes moved along them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABELS
from streamfer.models.directions import (
    index_mask,
    load_directions,
    save_directions,
)
from streamfer.models.shipped import SHIPPED
from tests.support.directions import random_directions


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    directions = random_directions(10, 8)
    save_directions(directions, tmp_path / "d.safetensors", {"method": "matched"})
    found = load_directions(tmp_path / "d.safetensors")
    assert found.names == directions.names
    np.testing.assert_allclose(found.vectors, directions.vectors, atol=2e-3)
    assert found.vectors.dtype == found.scores.dtype == np.float32


def test_a_file_gives_back_what_lies_otherwise_in_memory(tmp_path: Path) -> None:
    plain = random_directions(10, 8)
    turned = replace(plain, vectors=np.asfortranarray(plain.vectors))
    save_directions(turned, tmp_path / "d.safetensors", {"method": "matched"})
    found = load_directions(tmp_path / "d.safetensors")
    np.testing.assert_allclose(found.vectors, plain.vectors, atol=2e-3)


@pytest.mark.parametrize("kind", ["missing", "damaged", "other"])
def test_files_that_are_no_directions_are_engine_errors(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "d.safetensors"
    if kind == "damaged":
        path.write_bytes(b"no")
    if kind == "other":
        save_file({"vectors": np.zeros((1, 2, 3), np.float32)}, path)
    with pytest.raises(EngineError, match=r"d\.safetensors"):
        load_directions(path)


def test_a_code_moves_by_strength_along_the_direction() -> None:
    directions = random_directions(10, 8)
    code = np.ones((10, 8), np.float32)
    moved = directions.moved(code, "happy", -2)
    np.testing.assert_allclose(moved, code - 2 * directions.vectors[LABELS.index("happy")])
    np.testing.assert_array_equal(directions.moved(code, "happy", 0), code)


def test_towards_an_expression_half_of_what_a_face_shows_is_given_up() -> None:
    directions = random_directions(10, 8)
    shown = np.zeros(7, np.float32)
    shown[[LABELS.index("happy"), LABELS.index("surprise")]] = 0.8, 0.2
    happy, surprise = directions.vector("happy"), directions.vector("surprise")
    unit = directions.towards("surprise", shown)
    np.testing.assert_allclose(unit, surprise - 0.4 * happy, atol=1e-6)
    assert unit.dtype == np.float32
    code = np.ones((10, 8), np.float32)
    np.testing.assert_allclose(
        directions.moved(code, "surprise", -2, shown), code - 2 * unit, atol=1e-5
    )


def test_the_pose_and_faces_of_which_nothing_is_known_move_along_the_direction_alone() -> None:
    directions = random_directions(10, 8)
    happy = np.eye(7, dtype=np.float32)[LABELS.index("happy")]
    for name, shown in (("yaw", happy), ("surprise", None), ("happy", happy)):
        np.testing.assert_array_equal(directions.towards(name, shown), directions.vector(name))


def test_wrong_names_and_codes_of_other_generators_are_refused() -> None:
    directions = random_directions(10, 8)
    with pytest.raises(ConfigError, match="there are angry"):
        directions.vector("bored")
    with pytest.raises(ConfigError, match="10 × 8, not 18 × 512"):
        directions.moved(np.zeros((18, 512), np.float32), "happy", 1)


def test_thresholds_keep_what_reaches_those_of_the_positive_scores() -> None:
    scores = np.array([-5, -1, 0, 1, 2, 9], np.float32)
    assert index_mask(scores, "zero").tolist() == [1] * 6
    assert index_mask(scores, "median").tolist() == [0, 0, 0, 0, 1, 1]
    assert index_mask(scores, "mean").tolist() == [0, 0, 0, 0, 0, 1]
    assert index_mask(-np.abs(scores), "mean").tolist() == [1] * 6


def test_the_shipped_directions_fit_the_shipped_generator() -> None:
    directions = load_directions(SHIPPED.directions)
    assert directions.names == (*LABELS, "yaw", "pitch")
    assert directions.code_shape == (10, 128)
    assert np.isfinite(directions.vectors).all()
