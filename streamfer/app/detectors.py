"""Opens a face detector by name."""

from __future__ import annotations

import hashlib

from streamfer.errors import ConfigError
from streamfer.runtime.backends import open_engine
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store import EngineKey, EngineStore
from streamfer.vision.centerface import (
    CenterFace,
    centerface_file,
    centerface_onnx,
)
from streamfer.vision.detector import Detector, DetectorConfig

DETECTORS: tuple[str, ...] = ("centerface",)
"""The names that `--detector` takes, besides `auto`."""

_CENTERFACE_RECIPE = 1
"""Counts changes of `centerface_onnx`."""


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
    if name not in ("auto", *DETECTORS):
        raise ConfigError(f"unknown detector {name!r}; known are auto, {', '.join(DETECTORS)}")
    engine = open_engine(
        centerface_model(store),
        backend=backend,
        device=device,
        precision=precision,
        store=store,
        threads=threads,
        on_progress=on_progress,
    )
    return CenterFace(engine, settings)


def centerface_model(store: EngineStore) -> OnnxModel:
    """CenterFace for any batch and picture size, from the store or prepared now.

    Raises:
        EngineError: the package that carries the published file is missing.
    """
    published = centerface_file()
    key = EngineKey(
        model="centerface",
        model_sha256=hashlib.sha256(published).hexdigest(),
        backend="onnx",
        version="",
        device="",
        precision="fp32",
        shapes="",
        recipe=_CENTERFACE_RECIPE,
    )
    prepared = store.open(key, lambda: centerface_onnx(published), bytes)
    return OnnxModel.from_bytes("centerface", prepared)
