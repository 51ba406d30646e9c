"""Latent codes through the analyzer: the encoder's, refined ones, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.pipeline.refine.refiner import Refiner, RefinerConfig
from streamfer.types import FloatArray, Refinement, UInt8Array
from streamfer.vision.trust import FIDELITY_FEATURE, PRIOR_FEATURE, LogisticModel, TrustModel
from streamfer.vision.upright import UprightModel
from tests.support.coded_faces import Scene, frame
from tests.support.refinement import FakeBackend


@pytest.fixture
def refiner() -> Iterator[Refiner]:
    with Refiner(FakeBackend(), RefinerConfig(every_s=1000)) as refiner:
        yield refiner


def test_without_a_refiner_every_face_has_the_encoder_s_code() -> None:
    for index in range(3):
        face = Scene().face(index)
        assert face.latent_kind == "encoder"
        np.testing.assert_array_equal(face.latent, np.zeros((2, 3)))
        assert (face.reconstruction, face.reconstruction_error, face.refined_age_s) == (None,) * 3


def test_the_first_frame_waits_for_nothing_and_later_ones_carry_what_was_found() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend) as refiner:
        scene = Scene(refiner)
        (first,) = scene.analyzer([frame("talk", 0)])[0].faces
        assert backend.entered.wait(60)
        (second,) = scene.analyzer([frame("talk", 1)])[0].faces
        backend.released.set()
        third = scene.face(2)
    assert [face.latent_kind for face in (first, second, third)] == [
        "encoder",
        "encoder",
        "refined",
    ]
    assert third.refined_age_s == pytest.approx(2 / 25)
    assert third.reconstruction is not None
    assert third.reconstruction.shape == (64, 64)
    assert third.reconstruction_error == pytest.approx(third.reconstruction.mean(), rel=1e-3)


def test_trust_knows_the_error_of_refined_faces(refiner: Refiner) -> None:
    model = TrustModel(
        LogisticModel({"confidence": 1.0}, 0.0),
        LogisticModel({PRIOR_FEATURE: 1.0, FIDELITY_FEATURE: 1.0}, 0.0),
    )
    scene = Scene(refiner, trust=model)
    first, second = scene.face(0), scene.face(1)
    assert first.trust == model.trust(first.smoothed, first.detection, None)
    error = second.reconstruction_error
    assert error is not None
    assert second.trust == model.trust(second.smoothed, second.detection, error)
    assert second.trust != model.trust(second.smoothed, second.detection, None)


def test_trust_knows_from_its_code_that_a_crop_hangs_upside_down() -> None:
    upright = Scene().face(0).latent
    assert upright is not None
    model = TrustModel(LogisticModel({"confidence": 1.0}, 0.0), None)
    free, told = (
        replace(model, upright=UprightModel(np.zeros(upright.size, np.float32), bias))
        for bias in (1.0, -1.0)
    )
    trusted, distrusted = (Scene(trust=each).face(0).trust for each in (free, told))
    assert trusted is not None
    assert distrusted == pytest.approx(trusted / 2)


def test_the_residual_fades_with_age_and_ends(refiner: Refiner) -> None:
    scene = Scene(refiner)
    scene.face(0)
    weights = {}
    for index in range(1, 300):
        face = scene.face(index)
        assert face.latent is not None
        weights[index] = float(face.latent.mean())
    assert weights[25] == pytest.approx(0.5 ** (1 / 2), abs=1e-4)
    assert weights[100] == pytest.approx(0.25, abs=1e-4)
    assert weights[299] == 0.0
    assert face.latent_kind == "encoder"
    assert face.reconstruction is None


def test_the_next_search_goes_on_from_what_was_found() -> None:
    backend = FakeBackend()
    with Refiner(backend, RefinerConfig(every_s=0.04)) as refiner:
        scene = Scene(refiner)
        latents = [scene.face(index).latent for index in range(3)]
        assert refiner.wait_idle(60)
    # Each search adds 1 to where it began, and every frame is one.
    levels = [latent.mean() for latent in latents if latent is not None]
    assert levels == pytest.approx([0, 1, 2], rel=0.05)


def test_it_is_added_to_the_frame_s_own_code(refiner: Refiner) -> None:
    scene = Scene(refiner)
    scene.face(0)
    scene.engine.level = 0.5  # half is left at this distance
    face = scene.face(1)
    assert face.latent is not None
    assert face.latent.mean() == pytest.approx(0.5 + 0.5 ** (1 + 1 / 50), abs=1e-4)


def test_a_doubtful_identity_drops_it_for_good(refiner: Refiner) -> None:
    scene = Scene(refiner)
    scene.face(0)
    assert scene.face(1).latent_kind == "refined"
    scene.engine.level = 3.0
    assert scene.face(2).latent_kind == "encoder"
    scene.engine.level = 0.0
    assert scene.face(3).latent_kind == "encoder"


def test_every_track_has_its_own(refiner: Refiner) -> None:
    scene = Scene(refiner, faces=2)
    scene.faces(0)
    left, right = scene.faces(1)
    assert left.latent_kind == right.latent_kind == "refined"
    assert left.track_id != right.track_id
    assert left.reconstruction_error != right.reconstruction_error


def test_an_ended_stream_s_residuals_are_forgotten_and_others_kept(refiner: Refiner) -> None:
    scene = Scene(refiner)
    for stream in "ab":
        scene.face(0, stream)
    assert scene.face(1, "a").latent_kind == "refined"
    scene.analyzer.forget("a")
    assert scene.face(1, "b").latent_kind == "refined"
    assert scene.face(2, "a").latent_kind == "encoder"
    assert scene.face(3, "a").refined_age_s == pytest.approx(1 / 25)  # asked for afresh


def test_what_is_refined_after_its_stream_has_ended_belongs_to_nobody() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend) as refiner:
        scene = Scene(refiner)
        scene.analyzer([frame("a", 0)])
        assert backend.entered.wait(60)
        scene.analyzer.forget("a")
        backend.released.set()
        scene.face(0, "b")
        assert scene.face(1, "a").latent_kind == "encoder"


def test_a_new_stream_of_that_name_has_nothing_of_what_was_under_way_for_the_old_one() -> None:
    class OneSearch(FakeBackend):
        def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
            if self.batches:
                raise EngineError("the new stream's own search fails")
            return super().refine(crops, latents)

    backend = OneSearch(held=True)
    with Refiner(backend) as refiner:
        scene = Scene(refiner)
        scene.analyzer([frame("a", 5000)])
        assert backend.entered.wait(60)
        scene.analyzer.forget("a")
        scene.analyzer([frame("a", 0)])
        backend.released.set()
        assert scene.face(1, "a").latent_kind == "encoder"
