"""The network that draws every face in every frame."""

from __future__ import annotations

import hashlib
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.engine import Engine
from streamfer.errors import EngineError
from streamfer.models.shipped import digest
from streamfer.models.structures import DRAW, network_bytes, structures_digest
from streamfer.runtime.backends.table import BACKENDS
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.open_engine import open_engine, open_serving_engine
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FloatArray, UInt8Array

_RECIPE = 1
"""Counts changes of the code that makes the network."""


class EngineDrawer:
    """Draws codes of our own generator; see `streamfer.pipeline.refine.drawing.Drawer`.

    Args:
        engine: of the structure `DRAW`; owned by who opened it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def draw(self, codes: FloatArray) -> UInt8Array:
        """(n, num_ws, w_dim) float32 → (n, S, S) uint8."""
        return self._engine.run({"codes": codes})["pictures"]


def open_draw_engine(
    generator: Path,
    config: RunConfig,
    device: str,
    store: EngineStore,
    on_progress: Progress,
    *,
    at_once: bool = False,
) -> Engine:
    """The engine that draws.

    Args:
        generator: file of a generator of gray pictures.
        config: names backend and threads.
        device: where the face network runs.
        store: exported graphs and compiled engines.
        on_progress: told of what is done once.
        at_once: whether what takes long to compile must not be waited for.

    Raises:
        EngineError: the file is missing, damaged or of another kind, or no backend works.
    """
    model = _model(generator, store, on_progress)
    # What a GPU's fp16 does to pictures is not known.
    precision = config.drawing_precision if device == "cpu" else "fp32"
    # It has no torch form of its own, and while a GPU's engine compiles the CPU serves.
    record = BACKENDS.get(config.backend) if config.backend != "auto" else None
    fits = record is not None and not record.needs_module and (device != "cpu" or record.on_cpu)
    backend = config.backend if fits else "auto"
    threads = config.threads or None
    if at_once:
        engine, _ = open_serving_engine(
            model, backend=backend, device=device, precision=precision, store=store, threads=threads
        )
        return engine
    return open_engine(
        model,
        backend=backend,
        device=device,
        precision=precision,
        store=store,
        threads=threads,
        on_progress=on_progress,
    )


def _model(generator: Path, store: EngineStore, on_progress: Progress) -> OnnxModel:
    files = {"generator": generator}

    def make() -> bytes:
        on_progress("preparing the drawing (once)", 0.0)
        data = network_bytes(DRAW, files, lambda: _export(generator))
        on_progress("preparing the drawing (once)", 1.0)
        return data

    sources = digest(files.values()) + structures_digest(DRAW, files)
    key = onnx_key(DRAW, hashlib.sha256(sources.encode()).hexdigest(), _RECIPE)
    return OnnxModel(DRAW, store.file(key, make))


# What follows loads torch.


def _export(generator: Path) -> bytes:
    import torch

    from streamfer.models.onnx_export import export_onnx
    from streamfer.models.storage import load_generator
    from streamfer.models.structure_networks import DrawnCodes

    network = load_generator(generator).thaw()
    if network.config.img_channels != 1:
        raise EngineError(f"{generator.name}: draws no gray pictures")
    example = torch.zeros(2, network.config.num_ws, network.config.w_dim)
    body = DrawnCodes(network)
    return export_onnx(body, [example], input_names=["codes"], output_names=["pictures"])
