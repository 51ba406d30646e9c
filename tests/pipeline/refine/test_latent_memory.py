"""Latent codes through the analyzer: the encoder's, refined ones, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.refine.drawing import Imagine
from streamfer.pipeline.refine.refiner import Refiner, RefinerConfig
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.types import FaceResult, FloatArray, Frame, UInt8Array
from streamfer.vision.face_reader import HostFaceReader
from streamfer.vision.trust import FIDELITY_FEATURE, PRIOR_FEATURE, LogisticModel, TrustModel
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.refinement import FakeBackend
from tests.support.results import detection, probabilities
from tests.support.sources import pending

CONFIG = AnalyzerConfig(
    residual=ResidualConfig(half_life_s=2.0, half_distance=0.5, doubt_distance=1.0)
)


class LatentEngine(FakeEngine):
    """Happy faces, all with the code `level`."""

    def __init__(self) -> None:
        super().__init__(self._describe)
        self.level = 0.0

    def _describe(self, inputs):  # type: ignore[no-untyped-def]
        count = len(inputs["faces"])
        probs = np.stack([probabilities("happy")] * count)
        latent = np.full((count, 2, 3), self.level, dtype=np.float32)
        return {"probs_ferplus": probs, "probs_fer2013": probs, "latent": latent}


class Scene:
    """One face in a stream at 25 frames/s, refined by a backend that adds 1 to every code."""

    def __init__(
        self, refiner: Refiner | None = None, faces: int = 1, trust: TrustModel | None = None
    ) -> None:
        self.engine = LatentEngine()
        self.refiner = refiner
        places = [detection(20 + 100 * i, 60, 70) for i in range(faces)]
        self.analyzer = Analyzer(
            HostFaceReader(FakeDetector(*places), self.engine), CONFIG, refiner=refiner, trust=trust
        )

    def faces(self, index: int, stream: str = "talk") -> tuple[FaceResult, ...]:
        """The faces of a frame; what was under way before is refined by then."""
        if self.refiner is not None:
            assert self.refiner.wait_idle(10)
        return self.analyzer([frame(stream, index)])[0].faces

    def face(self, index: int, stream: str = "talk") -> FaceResult:
        (face,) = self.faces(index, stream)
        return face


def frame(stream: str, index: int) -> Frame:
    made = pending(index).to_frame(stream, dropped=0)
    image = np.random.default_rng(0).integers(0, 255, (200, 240, 3), dtype=np.uint8)
    object.__setattr__(made, "image", image)
    return made


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
        assert backend.entered.wait(10)
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
        assert refiner.wait_idle(10)
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
        assert backend.entered.wait(10)
        scene.analyzer.forget("a")
        backend.released.set()
        scene.face(0, "b")
        assert scene.face(1, "a").latent_kind == "encoder"


class LevelDrawer:
    """Draws every code as an even picture: its mean, times 100."""

    def __init__(self) -> None:
        self.codes = 0

    def draw(self, codes: FloatArray) -> UInt8Array:
        self.codes += len(codes)
        levels = np.clip(100 * codes.mean(axis=(1, 2)), 0, 255)
        return np.broadcast_to(levels[:, None, None], (len(codes), 64, 64)).astype(np.uint8)


class DrawnScene(Scene):
    """An even face of one gray, drawn in every frame; refinement adds 1 to its code, 100 to its
    gray."""

    def __init__(self, refiner: Refiner | None, imagine: Imagine | None = None) -> None:
        super().__init__(refiner)
        self.drawer = LevelDrawer()
        self.gray = 100
        places = [detection(20, 60, 70)]
        self.analyzer = Analyzer(
            HostFaceReader(FakeDetector(*places), self.engine),
            CONFIG,
            refiner=refiner,
            drawer=self.drawer,
            imagine=imagine,
        )

    def shown(self, index: int) -> FaceResult:
        if self.refiner is not None:
            assert self.refiner.wait_idle(10)
        made = frame("talk", index)
        object.__setattr__(made, "image", np.full((200, 240, 3), self.gray, np.uint8))
        (face,) = self.analyzer([made])[0].faces
        return face


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
