"""Faces imagined otherwise, and what of a person is left in the face of nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.app.config import RunConfig
from streamfer.app.networks.imagination import imagination, nobodies, otherwise, styles
from streamfer.errors import EngineError
from streamfer.labels import LABELS
from streamfer.models.directions import load_directions
from streamfer.models.shipped import SHIPPED
from streamfer.models.storage import load_generator
from streamfer.types import FaceResult, FloatArray
from tests.support.results import face_result, probabilities

DIRECTIONS = load_directions(SHIPPED.directions)


def code(seed: int) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(DIRECTIONS.code_shape)
    return noise.astype(np.float32)


def surprised_or_happy() -> FaceResult:
    probs = probabilities("happy", 0.6)
    probs[LABELS.index("surprise")] = 0.2
    return replace(face_result(), smoothed=probs)


def test_faces_are_drawn_as_they_are_unless_something_else_is_asked_for() -> None:
    assert imagination(RunConfig()) is None
    assert imagination(RunConfig(faces="blurred")) is None
    assert imagination(RunConfig(faces="synthetic")) is not None
    assert imagination(RunConfig(show="neutral")) is not None


def test_the_runner_up_is_gone_to_and_the_answer_left() -> None:
    start = code(0)
    found = otherwise(DIRECTIONS, "runner-up")(surprised_or_happy(), start)
    assert found is not None
    name, moved = found
    assert name == "surprise"
    change = (moved - start).ravel()
    assert change @ DIRECTIONS.vector("surprise").ravel() > 0
    assert change @ DIRECTIONS.vector("happy").ravel() < 0


def test_a_neutral_face_is_already_what_neutral_would_show() -> None:
    imagine = otherwise(DIRECTIONS, "neutral")
    assert imagine(face_result(emotion="neutral"), code(0)) is None
    found = imagine(face_result(emotion="happy"), code(0))
    assert found is not None
    assert found[0] == "neutral"


def test_the_face_of_nobody_takes_over_nine_numbers_and_no_more() -> None:
    imagine = nobodies(DIRECTIONS, SHIPPED.generator)
    face = face_result()
    drawn = [imagine(face, code(seed)) for seed in range(12)]
    codes = np.stack([found[1].ravel() for found in drawn if found is not None])
    assert len(codes) == 12
    sizes = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
    assert (sizes > 1e-3 * sizes[0]).sum() <= len(DIRECTIONS.names)


def test_a_track_keeps_its_face_and_others_have_others() -> None:
    imagine = nobodies(DIRECTIONS, SHIPPED.generator)
    first, again = (imagine(face_result(3), code(0)) for _ in range(2))
    other = imagine(face_result(4), code(0))
    assert first is not None
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(first[1], again[1])
    assert np.abs(first[1] - other[1]).max() > 0.1


def test_the_styles_are_those_of_the_generator_s_mapping() -> None:
    ours = styles(SHIPPED.generator, 4)
    mapping = load_generator(SHIPPED.generator).mapping
    z = np.random.default_rng(0).standard_normal((4, 128)).astype(np.float32)
    with torch.no_grad():
        w = mapping(torch.from_numpy(z))
    expected = mapping.w_avg + 0.5 * (w - mapping.w_avg)
    np.testing.assert_allclose(ours, expected.numpy(), atol=1e-4)


def test_a_broken_generator_and_old_directions_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "generator.safetensors"
    broken.write_bytes(b"no")
    with pytest.raises(EngineError, match="cannot read the generator"):
        styles(broken, 2)
    with pytest.raises(EngineError, match="mean code"):
        nobodies(replace(DIRECTIONS, mean=None), SHIPPED.generator)
