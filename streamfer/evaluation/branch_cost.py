"""What the latent branch costs (paper B, Table 5): time and size of the served networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from streamfer.models.backbones.backbone import BackboneName
from streamfer.models.encoder import Encoder
from streamfer.models.latent_per import (
    LatentPER,
    LatentPERConfig,
    ServedLatentPER,
    export_latent_per,
)
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel

_WARM_UP, _RUNS = 10, 100


def branch_cost(
    shape_of: Callable[[BackboneName, bool], LatentPERConfig],
    backbones: Sequence[BackboneName],
    encoder: Encoder,
) -> dict[str, Any]:
    """Milliseconds for one face on one thread of ONNX Runtime (median), and MB of the network as
    float32, without and with the latent branch, its encoder included; random weights.

    Args:
        shape_of: shape of a backbone's classifier, without or with the latent.
        backbones: which.
        encoder: of the codes.
    """
    costs: dict[str, Any] = {}
    for backbone in backbones:
        costs[backbone] = {
            name: _cost(shape_of(backbone, latent), encoder if latent else None)
            for name, latent in (("without", False), ("with", True))
        }
    return costs


def _cost(shape: LatentPERConfig, encoder: Encoder | None) -> dict[str, float]:
    served = ServedLatentPER(LatentPER(shape), encoder).eval().requires_grad_(False)
    model = OnnxModel.from_bytes("latent_per", export_latent_per(served))
    face = np.random.default_rng(0).integers(0, 256, (1, 64, 64), dtype=np.uint8)
    with closing(OnnxRuntimeEngine(model, threads=1)) as engine:
        times = []
        for _ in range(_WARM_UP + _RUNS):
            started = time.perf_counter()
            engine.run({"faces": face})
            times.append(time.perf_counter() - started)
    return {
        "ms": 1000 * float(np.median(times[_WARM_UP:])),
        "mb": sum(4 * p.numel() for p in served.parameters()) / 1e6,
    }
