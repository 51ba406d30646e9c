"""A fused classifier in one file, which needs no other to be served: trunk, encoder and heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfer.errors import EngineError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, FusedNetwork
from streamfer.models.storage import (
    UNFIT,
    half_tensors,
    load_config,
    load_without_counters,
    read_metadata,
    save_with_config,
)
from streamfer.models.taught import Taught
from streamfer.models.vgg import HASHES, FaceVGG, FaceVGGConfig

FUSED_NETWORK_SCHEMA = "streamfer.fused_network/1"

_PARTS = ("network", "encoder", "heads")


def save_fused_network(
    network: FaceVGG,
    encoder: Encoder,
    heads: FusedHeads,
    path: Path,
    notes: Mapping[str, str],
    hashes: NDArray[np.uint64] | None = None,
) -> None:
    """Writes the three parts; matrices as float16.

    Args:
        network: whose trunk is used; its own heads stay in it.
        encoder: of the codes.
        heads: on both.
        path: the file to write.
        notes: more metadata, such as the recipe.
        hashes: (n, 2) perceptual hashes of the pictures that the heads learned from.
    """
    tensors = {
        f"{part}.{name}": value
        for part, module in zip(_PARTS, (network, encoder, heads), strict=True)
        for name, value in half_tensors(module).items()
    }
    if hashes is not None:
        tensors[HASHES] = torch.from_numpy(hashes.view(np.int64).copy())
    shapes: tuple[Any, ...] = (network.config, encoder.config, heads.config)
    config = {part: asdict(shape) for part, shape in zip(_PARTS, shapes, strict=True)}
    told = Taught(heads.trained, heads.expressions).to_metadata()
    save_with_config(tensors, path, FUSED_NETWORK_SCHEMA, config, {**told, **notes})


def load_fused_network(path: Path) -> FusedNetwork:
    """Reads what `save_fused_network` wrote, in float32, ready for inference.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    config, tensors = load_config(path, FUSED_NETWORK_SCHEMA)
    try:
        network = FaceVGG(FaceVGGConfig(**config["network"]))
        encoder = Encoder(EncoderConfig(**_tuples(config["encoder"])))
        heads = FusedHeads(FusedHeadsConfig(**_tuples(config["heads"])))
        taught = Taught.from_metadata(read_metadata(path))
        heads.trained, heads.expressions = taught.heads, taught.expressions
        for part, module in zip(_PARTS, (network, encoder, heads), strict=True):
            load_without_counters(module, _of_part(tensors, f"{part}."))
    except UNFIT as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"{path.name}: not the weights of a fused network: {reason}") from error
    return FusedNetwork(network, encoder, heads).eval().requires_grad_(False)


def _tuples(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def _of_part(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
