"""What editing needs of the latent networks: codes of faces, and pictures of codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from streamfer.evaluation.engine_inverted import LatentEngines, open_latent_engines
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.engine_inversion import EngineSearch, drawn
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FloatArray, UInt8Array


class Editor(Protocol):
    """The latent networks of one generator. Used by one thread at a time."""

    def encode(self, crops: UInt8Array) -> FloatArray:
        """(n, num_ws, w_dim) codes of aligned faces, as the encoder sees them."""
        ...

    def refine(self, crops: UInt8Array, codes: FloatArray) -> FloatArray:
        """The codes after a search that starts from them."""
        ...

    def draw(self, codes: FloatArray) -> UInt8Array:
        """The generator's pictures of codes, (n, S, S) or (n, S, S, 3) uint8."""
        ...

    def read(self, pictures: UInt8Array) -> FloatArray:
        """(n, 7) probabilities of expressions (`ferplus`)."""
        ...

    def close(self) -> None:
        """Frees the networks."""
        ...


def codes_for_editing(editor: Editor, crops: UInt8Array, fit: float) -> FloatArray:
    """Codes that resemble the face and still lie where the directions hold.

    What fits a face best has left the codes that the encoder gives, and comes apart when it is
    moved; so only a share of the search's way is gone.

    Args:
        editor: the networks.
        crops: (n, S, S) or (n, S, S, 3) uint8 aligned faces.
        fit: 0: the encoder's code; 1: the refined one.
    """
    codes = editor.encode(crops)
    if fit == 0:
        return codes
    return codes + np.float32(fit) * (editor.refine(crops, codes) - codes)


class EngineEditor:
    """Editing through engines, without torch.

    Args:
        engines: owned from here on.
        config: how refined codes are looked for.
    """

    def __init__(self, engines: LatentEngines, config: InversionConfig) -> None:
        self._engines = engines
        self._search = EngineSearch(engines.refine.target, engines.refine.step, config)
        self._fixed: dict[str, FloatArray] = {}

    def encode(self, crops: UInt8Array) -> FloatArray:
        """See `Editor.encode`."""
        rows = [self._engines.encoder.run({"faces": crop[None]})["latent"][0] for crop in crops]
        return np.array(rows, np.float32)

    def refine(self, crops: UInt8Array, codes: FloatArray) -> FloatArray:
        """See `Editor.refine`."""
        pairs = zip(crops, codes, strict=True)
        found = [self._search.search(crop, code).best["codes"][0] for crop, code in pairs]
        return np.array(found, np.float32)

    def draw(self, codes: FloatArray) -> UInt8Array:
        """See `Editor.draw`: a step of the search that is not taken draws its start."""
        size = 64
        target = self._fixed or self._engines.refine.target.run(
            {"faces": np.zeros((1, size, size), np.uint8)}
        )
        self._fixed = self._fixed or dict(target)
        offset = np.zeros_like(codes[:1])
        step = self._engines.refine.step
        return np.stack(
            [drawn(step.run({"offset": offset, "start": c[None], **self._fixed})) for c in codes]
        )

    def read(self, pictures: UInt8Array) -> FloatArray:
        """See `Editor.read`."""
        run = self._engines.classifier.run
        return np.array([run({"faces": p[None]})["probs_ferplus"][0] for p in pictures], np.float32)

    def close(self) -> None:
        """See `Editor.close`."""
        self._engines.close()


def open_engine_editor(files: Mapping[str, Path], config: InversionConfig) -> EngineEditor:
    """Opens the shipped networks, or others of their shape.

    Raises:
        EngineError: a file is missing or damaged, or no backend works.
    """
    return EngineEditor(open_latent_engines(files, EngineStore()), config)
