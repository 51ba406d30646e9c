"""Editing through torch: on a GPU, and for generators of other shapes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from streamfer.evaluation.inverted import LatentModels
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.inversion.portrait import gray_faces
from streamfer.models.stylegan2 import from_uint8, to_pictures
from streamfer.types import FloatArray, UInt8Array

_BATCH = 32


class TorchEditor:
    """See `streamfer.evaluation.editor.Editor`.

    Args:
        models: the networks.
        config: how refined codes are looked for.
    """

    def __init__(self, models: LatentModels, config: InversionConfig) -> None:
        self._models = models
        self._inverter = Inverter(models.generator, models.lens, config, time.perf_counter)

    @torch.no_grad()
    def encode(self, crops: UInt8Array) -> FloatArray:
        """See `Editor.encode`."""

        def encoded(part: torch.Tensor) -> torch.Tensor:
            codes: torch.Tensor = self._models.encoder(from_uint8(part))
            return codes

        return self._in_parts(encoded, crops)

    def refine(self, crops: UInt8Array, codes: FloatArray) -> FloatArray:
        """See `Editor.refine`."""
        start = torch.from_numpy(codes).to(self._models.device)
        return self._inverter.invert(torch.from_numpy(crops), start).latent.numpy()

    @torch.no_grad()
    def draw(self, codes: FloatArray) -> UInt8Array:
        """See `Editor.draw`."""
        return self._in_parts(lambda ws: to_pictures(self._models.generator.synthesis(ws)), codes)

    @torch.no_grad()
    def read(self, pictures: UInt8Array) -> FloatArray:
        """See `Editor.read`."""

        def probabilities(part: torch.Tensor) -> torch.Tensor:
            faces = part if part.ndim == 3 else gray_faces(part)
            return self._models.network.probabilities(faces)[0]

        return self._in_parts(probabilities, pictures)

    def close(self) -> None:
        """See `Editor.close`: torch frees by itself."""

    def _in_parts(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: FloatArray | UInt8Array
    ) -> Any:
        parts = torch.split(torch.from_numpy(rows), _BATCH)
        return torch.cat([function(part.to(self._models.device)).cpu() for part in parts]).numpy()
