"""The networks of a run: which files, through which engines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streamfer.app.config import RunConfig
from streamfer.app.detectors import open_detector
from streamfer.app.face_model import face_model
from streamfer.app.face_reader import open_face_reader
from streamfer.engine import Engine
from streamfer.errors import ConfigError, EngineError
from streamfer.models.shipped import SHIPPED, WeightFiles, file_digest
from streamfer.runtime.backends import open_engine
from streamfer.runtime.model import Progress
from streamfer.runtime.store import EngineStore
from streamfer.types import Detection
from streamfer.vision.detector import Detector, DetectorConfig
from streamfer.vision.trust import TrustModel, load_trust

_DETECTOR_SCORE = 0.35
"""Below the score of a new face: a face that is already tracked may be seen less surely."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The networks that a run uses."""

    detector: Detector
    face: Engine
    latent: WeightFiles | None = None
    """What refinement is made of; None where the face network answers no latent codes."""
    trust: TrustModel | None = None
    """In the answers of the face network; None where nothing was fitted to it."""

    def warm_up(self, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
        """Runs both once on blank input: a network's first run for a new shape is a slow one, and
        a live stream would pay for it with its first frames.

        Args:
            frame_sizes_wh: width and height of the frames to come, in pixels.
        """
        reader = open_face_reader(self.detector, self.face)
        for width, height in set(frame_sizes_wh):
            pictures = reader.take([np.zeros((height, width, 3), dtype=np.uint8)])
            pictures.detect([0])
            box = np.array([0, 0, width, height], dtype=np.float32)
            face = Detection(box, score=1.0, landmarks=np.zeros((5, 2), dtype=np.float32))
            pictures.align([0], [face]).read(())

    def close(self) -> None:
        """Frees them."""
        self.detector.close()
        self.face.close()


def open_models(
    config: RunConfig,
    store: EngineStore,
    on_progress: Progress,
    weights: WeightFiles | None = None,
) -> Models:
    """Opens the detector and the face network on the configured backend.

    Args:
        config: names detector, backend, device, precision.
        store: compiled engines.
        on_progress: told of builds that take a while.
        weights: of the face network; None for the shipped ones.

    Raises:
        ConfigError: the detector is not to be had, or the latent codes that are asked for.
        EngineError: a network is missing, broken or cannot run here, or the trust model is broken.
    """
    weights = weights or SHIPPED
    if config.latents is not None and weights.missing_latent:
        names = ", ".join(path.name for path in weights.missing_latent)
        raise ConfigError(
            f"--latents {config.latents}: weights of the latent networks are missing in"
            f" {weights.folder}: {names}"
        )
    latent = None if weights.missing_latent else weights
    if latent:
        file_digest(latent.generator)  # those of the face network are taken when it is opened
    trust = load_trust(weights.trust, config.label_set) if weights.trust.exists() else None
    detector = open_detector(
        config.detector,
        store=store,
        backend=config.backend,
        device=config.device,
        # int8 is for the face network: CenterFace becomes slower with it.
        precision="auto" if config.precision == "int8" else config.precision,
        threads=config.threads or None,
        settings=DetectorConfig(
            long_side=config.detect_size,
            score_threshold=_DETECTOR_SCORE,
            min_face_px=config.min_face,
        ),
        on_progress=on_progress,
    )
    try:
        face = open_engine(
            face_model(weights, store, on_progress),
            backend=config.backend,
            device=config.device,
            precision=config.precision,
            store=store,
            threads=config.threads or None,
            on_progress=on_progress,
        )
    except EngineError:
        detector.close()
        raise
    return Models(detector, face, latent, trust)
