"""Opens a face detector by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamfer.app.networks.published import find_weights
from streamfer.engine import Engine
from streamfer.errors import ConfigError, EngineError
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.detection.centerface import (
    CenterFace,
    centerface_file,
    centerface_onnx,
)
from streamfer.vision.detection.detector import Detector, DetectorConfig
from streamfer.vision.detection.retinaface import ANCHOR_SIZES, RetinaFace, RetinaFaceConfig

DETECTORS: tuple[str, ...] = ("centerface", "retinaface-mobilenet0.25", "retinaface-resnet50")
"""The names that `--detector` takes, besides `auto`."""

_CENTERFACE_RECIPE = 2
"""Counts changes of `centerface_onnx`."""
_RETINAFACE_RECIPE = 2
"""Counts changes of `export_retinaface`."""

_RETINAFACE_SCORE = 0.7
"""RetinaFace is surer of itself than CenterFace: on dlib's 18 faces, all of which it finds, 0.5
leaves three false ones and 0.7 one."""


def open_detector(
    name: str = "auto",
    *,
    store: EngineStore,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    settings: DetectorConfig | None = None,
    on_progress: Progress | None = None,
) -> Detector:
    """Opens a face detector.

    Args:
        name: one of DETECTORS, or `auto`: CenterFace, which needs no download.
        store: keeps the prepared model and its compiled engine.
        backend: see `open_engine`.
        device: see `open_engine`.
        precision: see `open_engine`.
        threads: threads of one run on the CPU.
        settings: sizes and thresholds.
        on_progress: told how far a long build is.

    Raises:
        ConfigError: there is no detector of this name.
        EngineError: its model is missing or broken, or no backend works.
    """
    engine = open_engine(
        detector_model(name, store),
        backend=backend,
        device=device,
        precision=precision,
        store=store,
        threads=threads,
        on_progress=on_progress,
    )
    return make_detector(name, engine, settings)


def make_detector(name: str, engine: Engine, settings: DetectorConfig | None = None) -> Detector:
    """The detector around an engine of its network.

    Args:
        name: one of DETECTORS, or `auto`.
        engine: of `detector_model`.
        settings: sizes and thresholds.
    """
    if not _is_retinaface(name):
        return CenterFace(engine, settings)
    settings = settings or RetinaFaceConfig()
    surer = replace(
        settings,
        score_threshold=max(settings.score_threshold, _RETINAFACE_SCORE),
        large_score_threshold=None,
        smaller_looks=False,  # it has a map for large faces
    )
    return RetinaFace(engine, ANCHOR_SIZES[_backbone(name)], surer)


def detector_model(name: str, store: EngineStore) -> OnnxModel:
    """The network of a detector, from the store or prepared now.

    Args:
        name: one of DETECTORS, or `auto`.
        store: keeps the prepared model.

    Raises:
        ConfigError: there is no detector of this name.
        EngineError: its model is missing or broken.
    """
    if name not in ("auto", *DETECTORS):
        raise ConfigError(f"unknown detector {name!r}; known are auto, {', '.join(DETECTORS)}")
    return retinaface_model(name, store) if _is_retinaface(name) else centerface_model(store)


def centerface_model(store: EngineStore) -> OnnxModel:
    """CenterFace for any batch and picture size, from the store or prepared now.

    Raises:
        EngineError: the package that carries the published file is missing.
    """
    published = centerface_file()
    key = onnx_key("centerface", hashlib.sha256(published).hexdigest(), _CENTERFACE_RECIPE)
    return OnnxModel("centerface", store.file(key, lambda: centerface_onnx(published)))


def retinaface_model(name: str, store: EngineStore, folder: Path | None = None) -> OnnxModel:
    """RetinaFace for any batch and picture size, from the store or exported now.

    Args:
        name: `retinaface-mobilenet0.25` or `retinaface-resnet50`.
        store: keeps the exported model.
        folder: where its weights lie; None takes the usual place.

    Raises:
        EngineError: its weights are missing, damaged, or not of this network.
    """
    path = find_weights(name, folder)
    backbone = _backbone(name)

    def export() -> bytes:
        from streamfer.models.retinaface import export_retinaface  # loads torch

        return export_retinaface(path, backbone)

    def module() -> Any:
        from streamfer.models.retinaface import ServedRetinaFace, load_retinaface

        return ServedRetinaFace(load_retinaface(path, backbone))

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    file = store.file(onnx_key(name, digest, _RETINAFACE_RECIPE), export)
    return OnnxModel(name, file, torch_module=module)


def _is_retinaface(name: str) -> bool:
    return name.startswith("retinaface-")


def _backbone(name: str) -> str:
    return name.removeprefix("retinaface-")
