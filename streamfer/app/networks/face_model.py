"""The face network as the backends take it: fused with the encoder where there is one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from streamfer.models.int8_calibration import read_calibration
from streamfer.models.int8_export import quantise_convolutions
from streamfer.models.shipped import WeightFiles, digest
from streamfer.models.structures import (
    CLASSIFIER,
    FILES_OF,
    FUSED,
    network_bytes,
    structures_digest,
)
from streamfer.runtime.model import Int8Form, NetworkFile, OnnxModel, Progress
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore

_RECIPE = 3
"""Counts changes of the code that makes the networks."""
_INT8_RECIPE = 1
"""Counts changes of the code that quantises them."""


def face_model(weights: WeightFiles, store: EngineStore, on_progress: Progress) -> OnnxModel:
    """The face network as ONNX, from the store or made now.

    Args:
        weights: with all latent networks the fused one is made of them, else the plain classifier.
        store: exported networks.
        on_progress: told of what is done once.

    Raises:
        EngineError: its weights are missing or broken, or what is known of its int8 form is.
    """

    structure = CLASSIFIER if weights.missing_latent else FUSED
    files = dict(zip(FILES_OF[structure], weights.face_network, strict=True))

    def make() -> bytes:
        on_progress("preparing the face network (once)", 0.0)
        data = network_bytes(structure, files, lambda: _export(weights))
        on_progress("preparing the face network (once)", 1.0)
        return data

    name = face_model_name(weights)
    sources = digest(weights.face_network) + structures_digest(structure, files)
    key = onnx_key(name, hashlib.sha256(sources.encode()).hexdigest(), _RECIPE)
    file = store.file(key, make)
    return OnnxModel(
        name,
        file,
        torch_module=lambda: _module(weights),
        int8=face_int8(weights, file, store),
    )


def face_model_name(weights: WeightFiles) -> str:
    """What the served face network is called."""
    return "face_vgg19" if weights.missing_latent else "fused_vgg19"


def face_int8(weights: WeightFiles, file: NetworkFile, store: EngineStore) -> Int8Form | None:
    """The face network's int8 form; None where nothing is known of it for these weights.

    Args:
        weights: of the network.
        file: the network in float32.
        store: keeps the quantised network.

    Raises:
        EngineError: the weights are missing, or what is known of the int8 form is damaged.
    """
    calibration = read_calibration(weights)
    if calibration is None:
        return None
    limits = calibration.limits
    sources = hashlib.sha256((file.sha256 + json.dumps(dict(limits))).encode()).hexdigest()
    key = onnx_key(face_model_name(weights), sources, _INT8_RECIPE, "int8")
    return Int8Form(
        make=lambda: store.file(key, lambda: quantise_convolutions(file.read(), limits)),
        accuracy_cost=calibration.accuracy_cost,
    )


# What follows loads torch.


def _export(weights: WeightFiles) -> bytes:
    from streamfer.models.export import export_face_network

    return export_face_network(weights)


def _module(weights: WeightFiles) -> Any:
    from streamfer.models.export import served_face_network

    return served_face_network(weights)
