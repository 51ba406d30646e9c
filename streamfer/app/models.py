"""The networks of a run: which files, through which engines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.app.config import RunConfig
from streamfer.app.detectors import open_detector
from streamfer.engine import Engine
from streamfer.errors import EngineError
from streamfer.runtime.backends import open_engine
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store import EngineKey, EngineStore
from streamfer.vision.align import FACE_SIZE
from streamfer.vision.detector import Detector, DetectorConfig

FACE_WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "face_vgg19.safetensors"

_FACE_RECIPE = 1
"""Counts changes of the code that exports the face network."""

_DETECTOR_SCORE = 0.35
"""Below the score of a new face: a face that is already tracked may be seen less surely."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The networks that a run uses."""

    detector: Detector
    face: Engine

    def warm_up(self, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
        """Runs both once on blank input: a network's first run for a new shape is a slow one, and
        a live stream would pay for it with its first frames.

        Args:
            frame_sizes_wh: width and height of the frames to come, in pixels.
        """
        for width, height in set(frame_sizes_wh):
            self.detector.detect([np.zeros((height, width, 3), dtype=np.uint8)])
        self.face.run({"faces": np.zeros((1, FACE_SIZE, FACE_SIZE), dtype=np.uint8)})

    def close(self) -> None:
        """Frees them."""
        self.detector.close()
        self.face.close()


def open_models(config: RunConfig, store: EngineStore, on_progress: Progress) -> Models:
    """Opens the detector and the face network on the configured backend.

    Args:
        config: names detector, backend, device, precision.
        store: compiled engines.
        on_progress: told of builds that take a while.

    Raises:
        ConfigError: the detector is not to be had.
        EngineError: a network is missing, broken or cannot run here.
    """
    detector = open_detector(
        config.detector,
        store=store,
        backend=config.backend,
        device=config.device,
        precision=config.precision,
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
            face_model(store, on_progress),
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
    return Models(detector, face)


def face_model(store: EngineStore, on_progress: Progress) -> OnnxModel:
    """The shipped face network as ONNX, from the store or exported now.

    Raises:
        EngineError: its weights are missing or broken.
    """

    def export() -> bytes:
        on_progress("exporting the face network (once)", 0.0)
        from streamfer.models.export import export_face_classifier  # loads torch

        data = export_face_classifier(FACE_WEIGHTS)
        on_progress("exporting the face network (once)", 1.0)
        return data

    try:
        weights = FACE_WEIGHTS.read_bytes()
    except OSError as error:
        raise EngineError(
            f"{FACE_WEIGHTS}: cannot read the face network: {error.strerror or error};"
            " install streamfer again"
        ) from error
    key = EngineKey(
        model="face_vgg19",
        model_sha256=hashlib.sha256(weights).hexdigest(),
        backend="onnx",
        version="",
        device="",
        precision="fp32",
        shapes="",
        recipe=_FACE_RECIPE,
    )
    data = store.open(key, export, bytes)
    return OnnxModel.from_bytes("face_vgg19", data, torch_module=_face_module)


def _face_module() -> Any:
    """The face network's torch form, for `--backend torch`."""
    from streamfer.models.vgg import ServedFaceVGG, load_face_vgg

    return ServedFaceVGG(load_face_vgg(FACE_WEIGHTS))
