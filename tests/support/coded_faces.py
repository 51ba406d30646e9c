"""Faces with latent codes, made by hand, through the analyzer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.refine.drawing import Imagine
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.types import FaceResult, FloatArray, Frame, UInt8Array
from streamfer.vision.face_reader import HostFaceReader
from streamfer.vision.trust import TrustModel
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.results import detection, probabilities
from tests.support.sources import pending

CONFIG = AnalyzerConfig(
    residual=ResidualConfig(half_life_s=2.0, half_distance=0.5, noise=1e-6, doubt_distance=1.0)
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
            assert self.refiner.wait_idle(60)
        return self.analyzer([frame(stream, index)])[0].faces

    def face(self, index: int, stream: str = "talk") -> FaceResult:
        (face,) = self.faces(index, stream)
        return face


def frame(stream: str, index: int) -> Frame:
    made = pending(index).to_frame(stream, dropped=0)
    image = np.random.default_rng(0).integers(0, 255, (200, 240, 3), dtype=np.uint8)
    object.__setattr__(made, "image", image)
    return made


class LevelDrawer:
    """Draws every code as an even picture: its mean, times 100."""

    def __init__(self) -> None:
        self.codes = 0

    def draw(self, codes: FloatArray) -> UInt8Array:
        self.codes += len(codes)
        levels = np.clip(100 * codes.mean(axis=(1, 2)), 0, 255)
        return np.broadcast_to(levels[:, None, None], (len(codes), 64, 64)).astype(np.uint8)


class DrawnScene(Scene):
    """An even face of one gray, drawn in every frame where it is seen; refinement adds 1 to its
    code, 100 to its gray."""

    def __init__(
        self, refiner: Refiner | None, imagine: Imagine | None = None, *, seen: bool = True
    ) -> None:
        super().__init__(refiner)
        self.drawer = LevelDrawer()
        self.gray = 100
        places = [detection(20, 60, 70)]
        self.analyzer = Analyzer(
            HostFaceReader(FakeDetector(*places), self.engine),
            replace(CONFIG, draw_all=seen),
            refiner=refiner,
            drawer=self.drawer,
            imagine=imagine,
        )

    def shown(self, index: int) -> FaceResult:
        if self.refiner is not None:
            assert self.refiner.wait_idle(60)
        made = frame("talk", index)
        object.__setattr__(made, "image", np.full((200, 240, 3), self.gray, np.uint8))
        (face,) = self.analyzer([made])[0].faces
        return face
