"""Reads published checkpoints: tensors alone, and strictly key by key."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from streamfer.errors import EngineError

_NAMES_SHOWN = 3
_MAX_MEMBER_BYTES = 1 << 30
"""No published file is larger; a zip that claims to be is an attack on the memory."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads a file of named tensors without running any code in it.

    A `state_dict` entry is looked into, the prefix `module.` (of a parallel training run) goes,
    and a zip that holds a single checkpoint is looked into.

    Raises:
        EngineError: the file is missing, damaged, or holds anything but tensors.
    """
    try:
        loaded = _load(path)
    except OSError as error:
        raise EngineError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    except Exception as error:  # torch's reader raises what a broken file makes it stumble over
        raise EngineError(
            f"{path}: not a file of weights, or damaged: {str(error).partition(chr(10))[0]}"
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise EngineError(f"{path}: not a file of named tensors")
    return {name.removeprefix("module."): value for name, value in loaded.items()}


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Loads tensors into a module; every key must fit.

    Args:
        module: what to fill.
        tensors: what the file holds.
        path: the file, for the message.

    Raises:
        EngineError: a key is missing, left over, or of another shape; names the first ones.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors]
    extra = [name for name in tensors if name not in own]
    reshaped = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    faults = [
        f"{len(names)} {what} ({_some(names)})"
        for what, names in (("missing", missing), ("extra", extra), ("of another shape", reshaped))
        if names
    ]
    if faults:
        raise EngineError(f"{path}: not the weights of this network: keys {'; '.join(faults)}")
    module.load_state_dict(dict(tensors))


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        member = _only_member(file)
        file.seek(0)
        return torch.load(member or file, map_location="cpu", weights_only=True)


def _only_member(file: IO[bytes]) -> IO[bytes] | None:
    """The checkpoint inside a zip that holds nothing else; None for any other file."""
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) != 1 or not members[0].filename.endswith((".pth", ".pt")):
            return None
        if members[0].file_size > _MAX_MEMBER_BYTES:
            raise ValueError(f"its content would take {members[0].file_size} bytes")
        return io.BytesIO(archive.read(members[0]))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
