"""Drawings of faces through the analyzer, and which code they speak for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamfer.pipeline.refine.refiner import Refiner, RefinerConfig
from streamfer.types import FaceResult, FloatArray
from tests.support.coded_faces import DrawnScene
from tests.support.refinement import FakeBackend


@pytest.fixture
def refiner() -> Iterator[Refiner]:
    with Refiner(FakeBackend(), RefinerConfig(every_s=1000)) as refiner:
        yield refiner


def test_every_frame_is_drawn_with_its_own_error() -> None:
    scene = DrawnScene(None)
    face = scene.shown(0)
    assert face.latent_kind == "encoder"
    assert face.reconstruction is not None
    assert face.reconstruction.max() == 0
    assert face.reconstruction_error == pytest.approx((100 / 255) ** 2)
    assert face.refined_age_s is None


def test_a_residual_counts_where_it_draws_this_very_frame_better(refiner: Refiner) -> None:
    scene = DrawnScene(refiner)
    scene.shown(0)
    better = scene.shown(1)
    assert better.latent_kind == "refined"
    assert better.refined_age_s == pytest.approx(1 / 25)
    assert better.reconstruction_error == pytest.approx(0, abs=0.001)
    scene.gray = 10  # now the encoder's drawing, black, is nearer
    worse = scene.shown(2)
    assert worse.latent_kind == "encoder"
    assert worse.refined_age_s is None
    assert worse.reconstruction_error == pytest.approx((10 / 255) ** 2)
    np.testing.assert_array_equal(worse.latent, np.zeros((2, 3)))


def test_what_is_clearly_better_is_not_held_against_the_encoder_in_every_frame(
    refiner: Refiner,
) -> None:
    scene = DrawnScene(refiner)
    scene.shown(0)
    scene.shown(1)
    before = scene.drawer.codes
    for index in range(2, 7):
        assert scene.shown(index).latent_kind == "refined"
    assert scene.drawer.codes - before == 5
    scene.engine.level = 0.4  # so far from where the encoder's drawing was measured
    scene.shown(7)
    assert scene.drawer.codes - before == 7


def test_a_face_that_comes_back_to_an_expression_uses_what_was_found_then() -> None:
    with Refiner(FakeBackend(), RefinerConfig(every_s=0.04)) as refiner:
        scene = DrawnScene(refiner)
        scene.shown(0)
        scene.engine.level, scene.gray = 0.9, 190
        scene.shown(1)
        scene.shown(2)
        scene.engine.level, scene.gray = 0.0, 100
        face = scene.shown(3)
    assert face.latent_kind == "refined"
    assert face.refined_age_s == pytest.approx(3 / 25)


def test_faces_are_imagined_otherwise_beside_their_drawing() -> None:
    def brighter(face: FaceResult, code: FloatArray) -> tuple[str, FloatArray] | None:
        return ("neutral", code + 1) if face.emotion == "happy" else None

    face = DrawnScene(None, brighter).shown(0)
    assert face.imagined_as == "neutral"
    assert face.imagined is not None
    assert face.imagined.min() == 100
    assert face.reconstruction is not None
    assert face.reconstruction.max() == 0
    assert DrawnScene(None, lambda face, code: None).shown(0).imagined is None


@pytest.fixture
def unseen(refiner: Refiner) -> DrawnScene:
    """Of which one frame has been read, and the face in it refined."""
    scene = DrawnScene(refiner, seen=False)
    first = scene.shown(0)
    assert (first.latent_kind, first.reconstruction, scene.drawer.codes) == ("encoder", None, 0)
    return scene


def test_unseen_faces_are_drawn_only_to_know_which_code_is_the_better(unseen: DrawnScene) -> None:
    measured = unseen.shown(1)
    assert unseen.drawer.codes == 2
    assert measured.latent_kind == "refined"
    assert measured.reconstruction_error == pytest.approx(0, abs=0.001)
    for index in range(2, 10):
        face = unseen.shown(index)
        assert face.latent_kind == "refined"
        assert (face.reconstruction, face.reconstruction_error) == (None, None)
        assert face.refined_age_s == pytest.approx(index / 25)
    assert unseen.drawer.codes == 2


def test_unseen_faces_for_which_the_encoder_s_code_is_better_keep_it(unseen: DrawnScene) -> None:
    unseen.gray = 10
    for index in range(1, 10):
        face = unseen.shown(index)
        assert face.latent_kind == "encoder"
        np.testing.assert_array_equal(face.latent, np.zeros((2, 3)))
    assert unseen.drawer.codes == 2


def test_unseen_faces_are_drawn_again_after_a_second_or_a_change(unseen: DrawnScene) -> None:
    unseen.shown(1)
    unseen.shown(26)
    assert unseen.drawer.codes == 2
    unseen.shown(27)
    assert unseen.drawer.codes == 4
    unseen.engine.level, unseen.gray = 0.7, 170
    unseen.shown(28)
    assert unseen.drawer.codes == 6


@pytest.mark.parametrize(("gray", "drawn"), [(100, 2), (10, 6)])
def test_a_further_search_is_judged_only_where_the_last_was_of_no_use(
    gray: int, drawn: int
) -> None:
    with Refiner(FakeBackend(), RefinerConfig(every_s=0.04)) as refiner:
        scene = DrawnScene(refiner, seen=False)
        scene.gray = gray
        for index in range(4):
            scene.shown(index)
    assert scene.drawer.codes == drawn
