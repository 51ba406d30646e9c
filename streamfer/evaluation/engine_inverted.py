"""Faces encoded and refined through engines: what `evaluation.inverted` does, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfer.engine import Engine
from streamfer.errors import EngineError
from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.labels import LABELS
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.engine_inversion import EngineSearch, Found, drawn
from streamfer.models.inversion.engines import RefineEngines, open_refine_engines
from streamfer.models.structures import CLASSIFIER, ENCODER, FILES_OF, fill_network
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FloatArray, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class LatentEngines:
    """The networks that inversion needs, on the CPU in float32."""

    encoder: Engine
    classifier: Engine
    refine: RefineEngines

    def close(self) -> None:
        """Frees them."""
        for engine in (self.encoder, self.classifier, self.refine):
            engine.close()


def open_latent_engines(
    files: Mapping[str, Path], store: EngineStore, backend: str = "auto"
) -> LatentEngines:
    """The engines of weights that `models.structures.fits`.

    Args:
        files: of `generator`, `encoder` and `classifier`.
        store: of compiled engines.
        backend: `auto`, `openvino` or `onnxruntime`.

    Raises:
        EngineError: a file is damaged or does not fit the others, or no backend works.
    """

    def opened(name: str) -> Engine:
        own = {key: files[key] for key in FILES_OF[name]}
        filled = fill_network(name, own)
        if filled is None:
            names = ", ".join(path.name for path in own.values())
            raise EngineError(f"{names}: not of the shipped networks' shape")
        return open_engine(
            OnnxModel.from_bytes(name, filled),
            backend=backend,
            device="cpu",
            precision="fp32",
            store=store,
        )

    with ExitStack() as opening:
        encoder = opening.enter_context(closing(opened(ENCODER)))
        classifier = opening.enter_context(closing(opened(CLASSIFIER)))
        refine = open_refine_engines(
            files["generator"], files["classifier"], backend, store, threads=None
        )
        opening.pop_all()
    return LatentEngines(encoder, classifier, refine)


def invert_on_engines(
    engines: LatentEngines, crops: UInt8Array, names: Sequence[str], config: InversionConfig
) -> list[InvertedFace]:
    """Encodes and refines faces, one after the other.

    Args:
        engines: the networks.
        crops: (N, 64, 64) uint8 gray aligned faces.
        names: of the faces.
        config: how long and how hard to refine.

    Raises:
        EngineError: an engine failed.
    """
    search = EngineSearch(engines.refine.target, engines.refine.step, config)
    faces = []
    for name, crop in zip(names, crops, strict=True):
        start = engines.encoder.run({"faces": crop[None]})["latent"][0]
        faces.append(_face(engines.classifier, name, crop, start, search.search(crop, start)))
    return faces


def _face(
    classifier: Engine, name: str, crop: UInt8Array, start: FloatArray, found: Found
) -> InvertedFace:
    pictures = np.stack([crop, drawn(found.first), drawn(found.best)])
    emotions = [LABELS[i] for i in classifier.run({"faces": pictures})["probs_ferplus"].argmax(1)]
    return InvertedFace(
        name=name,
        input=crop,
        encoder=pictures[1],
        refined=pictures[2],
        latent_encoder=start,
        latent_refined=found.best["codes"][0],
        history=np.array(found.totals, np.float32),
        loss_encoder=float(found.first["feature"][0]),
        loss_refined=float(found.best["feature"][0]),
        mse_encoder=float(found.first["mse"][0]),
        mse_refined=float(found.best["mse"][0]),
        steps=found.steps,
        seconds=found.seconds,
        emotion_input=emotions[0],
        emotion_encoder=emotions[1],
        emotion_refined=emotions[2],
    )
