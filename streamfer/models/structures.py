"""The shipped networks as ONNX structures, and their files' weights in them: no torch is needed.

A structure fits all weights of one shape, so it changes with the code of a network only. Those of
the shipped shapes lie beside the shipped weights, made by
`python -m streamfer.training.structures`. One beside other weights is found as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from streamfer.engine import Array
from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.extras import install_command, is_extra
from streamfer.runtime.structure import fill_structure, read_notes, with_separate_constants

CLASSIFIER = "face_vgg19"
"""Made of `classifier`: `faces` → `probs_ferplus`, `probs_fer2013`."""
FUSED = "fused_vgg19"
"""Made of `classifier`, `encoder` and `heads`: `models.fused.OUTPUTS`."""
ENCODER = "encoder_faces64"
"""Made of `encoder`: `faces` → `latent`."""
TARGET = "refine_target"
"""Made of `classifier`; see `models.refine_graphs.export_target`."""
STEP = "refine_step"
"""Made of `classifier` and `generator`; see `models.refine_graphs.export_step`."""
DRAW = "draw_faces64"
"""Made of `generator`: `codes` (N, num_ws, w_dim) float32 → `pictures` (N, S, S) uint8."""
FILES_OF = {
    CLASSIFIER: ("classifier",),
    FUSED: ("classifier", "encoder", "heads"),
    ENCODER: ("encoder",),
    TARGET: ("classifier",),
    STEP: ("classifier", "generator"),
    DRAW: ("generator",),
}
"""The files of weights that each structure takes."""

_SCALE = ".scale"
"""Ends the name of the scales of an int8 tensor."""
_SHAPE_KEYS = ("schema", "width", "input_size")
"""What a file's metadata say of its network's shape, besides `config`."""
_OF_TRAINING = ("dropout",)
"""Parts of `config` that leave no trace in a network that serves."""


def fill_network(name: str, files: Mapping[str, Path]) -> bytes | None:
    """A network as ONNX with the weights of some files, in a fraction of a second.

    Args:
        name: one of FILES_OF.
        files: of weights, by what the structure calls them.

    Returns:
        None where no structure is of these weights' shape.

    Raises:
        EngineError: a file is missing or damaged, or a structure is.
    """
    structure = _fitting(name, files)
    if structure is None:
        return None
    weights: dict[str, Array] = {}
    for key, file in files.items():
        weights |= {f"{key}/{own}": value for own, value in _read_weights(file).items()}
    try:
        filled = fill_structure(structure, weights)
    except EngineError as error:
        names = ", ".join(file.name for file in files.values())
        raise EngineError(f"{names}: not the weights of {name}: {error}") from error
    # See `with_separate_constants`; other networks share no weights.
    return with_separate_constants(filled) if name == STEP else filled


def fits(name: str, files: Mapping[str, Path]) -> bool:
    """Whether there is a structure of these weights' shape, so that `fill_network` needs no torch.

    Args:
        name: one of FILES_OF.
        files: of weights, by what the structure calls them; more than it takes are allowed.

    Raises:
        EngineError: a file is missing or damaged, or a structure is.
    """
    return _fitting(name, {key: files[key] for key in FILES_OF[name]}) is not None


def _fitting(name: str, files: Mapping[str, Path]) -> bytes | None:
    shapes = {key: read_shape(path) for key, path in files.items()}
    structures = (_read(path) for path in _candidates(name, files))
    return next((one for one in structures if read_notes(one) == shapes), None)


def network_bytes(name: str, files: Mapping[str, Path], export: Callable[[], bytes]) -> bytes:
    """A network as ONNX: its structure filled, or exported where no structure fits.

    Args:
        name: one of FILES_OF.
        files: of weights, by what the structure calls them.
        export: does it with torch.

    Raises:
        EngineError: a file is missing or damaged, or a structure is, or torch is needed and
            missing.
    """
    filled = fill_network(name, files)
    if filled is not None:
        return filled
    try:
        return export()
    except ModuleNotFoundError as error:
        package = error.name or ""
        if not is_extra(package):
            raise
        names = ", ".join(path.name for path in files.values())
        raise EngineError(
            f"{names}: not of the shipped networks' shape, so {package} is needed to prepare"
            f" them: {install_command(package)}"
        ) from error


def structures_digest(name: str, files: Mapping[str, Path]) -> str:
    """SHA-256 (hex) of the structures that `fill_network` would look at.

    Raises:
        EngineError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in _candidates(name, files):
        digest.update(hashlib.sha256(_read(path)).digest())
    return digest.hexdigest()


def structure_path(name: str, folder: Path) -> Path:
    """Where a structure lies in a folder of weights."""
    return folder / f"{name}.onnx"


def read_shape(path: Path) -> dict[str, Any]:
    """What a file of weights says of its network's shape.

    Raises:
        EngineError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
        config = json.loads(metadata.get("config", "{}"))
        kept = {key: value for key, value in config.items() if key not in _OF_TRAINING}
    except (OSError, SafetensorError, ValueError, AttributeError) as error:
        raise EngineError(f"{path.name}: cannot read the weights: {error}") from error
    return {key: metadata[key] for key in _SHAPE_KEYS if key in metadata} | kept


def _candidates(name: str, files: Mapping[str, Path]) -> list[Path]:
    """The structures that there are, those beside the weights first."""
    folders = dict.fromkeys([*(path.parent for path in files.values()), SHIPPED.folder])
    paths = (structure_path(name, folder) for folder in folders)
    return [path for path in paths if path.is_file()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path}: cannot read: {error.strerror or error}") from error


def _read_weights(path: Path) -> dict[str, Array]:
    """The tensors of a file in float32, and the spread of a generator's styles.

    Raises:
        EngineError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            stored = {name: file.get_tensor(name) for name in names}
            spread = (file.metadata() or {}).get("spread")
        weights = {} if spread is None else {"spread": np.array(float(spread), np.float32)}
    except (OSError, SafetensorError, ValueError) as error:
        raise EngineError(f"{path.name}: cannot read the weights: {error}") from error
    for name, value in stored.items():
        weight = value.astype(np.float32)
        if value.dtype == np.int8 and name + _SCALE in stored:
            weight *= stored[name + _SCALE].reshape(-1, *[1] * (value.ndim - 1))
        weights[name] = weight
    return weights
