"""Reads published checkpoints: tensors alone, and strictly key by key."""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from streamfer.errors import EngineError
from streamfer.models.tensor_pickle import read_networks

_NAMES_SHOWN = 3
_MAX_MEMBER_BYTES = 1 << 30
"""No published file is larger; a zip that claims to be is an attack on the memory."""
_TORCH_LEGACY_MARK = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch's files began before they were zips."""
_PICKLE_MARK = b"\x80"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a file of tensors without running any code in it.

    Taken are torch's files (a zip that holds a single one is looked into), safetensors, and the
    pickled networks of `stylegan2-ada-pytorch`. The content tells them apart.

    Returns:
        What the file holds by name: tensors, plain values, and mappings of them.

    Raises:
        EngineError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    try:
        loaded = _load(path)
    except OSError as error:
        raise EngineError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    except Exception as error:  # the readers raise what a broken file makes them stumble over
        raise EngineError(
            f"{path}: not a file of weights, or damaged: {str(error).partition(chr(10))[0]}"
        ) from error
    if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
        raise EngineError(f"{path}: not a file of named tensors")
    return dict(loaded)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads a file of named tensors without running any code in it.

    A `state_dict` entry is looked into, and the prefix `module.` (of a parallel training run) goes.

    Raises:
        EngineError: the file is missing, damaged, or holds anything but tensors.
    """
    loaded = read_checkpoint(path)
    inner = loaded.get("state_dict")
    return named_tensors(inner if isinstance(inner, Mapping) else loaded, path)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """What a checkpoint, or an entry of it, holds, as tensors by name; `module.` goes.

    Raises:
        EngineError: it holds anything else, or a tensor that claims more numbers than it has.
    """
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise EngineError(f"{path}: not a file of named tensors")
    for name, value in content.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise EngineError(f"{path}: {name} is no ordinary tensor")
        # A few stored numbers can be declared as any number of them.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise EngineError(f"{path}: {name} claims more numbers than the file holds")
    return {name.removeprefix("module."): value for name, value in content.items()}


def load_strictly(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    prefix: str = "",
    assign: bool = False,
) -> None:
    """Loads tensors into a module; every key must fit.

    Args:
        module: what to fill.
        tensors: what the file holds.
        path: the file, for the message.
        prefix: of the names in the file, for the message.
        assign: put the tensors themselves in, for a module that has no memory yet.

    Raises:
        EngineError: a key is missing, left over, or of another shape; names the first ones.
    """
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    check_keys(own, tensors, path, prefix)
    module.load_state_dict(dict(tensors), assign=assign)


def check_keys(
    expected: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, Tensor],
    path: Path,
    prefix: str = "",
) -> None:
    """Holds the tensors of a file against the names and shapes that a network has.

    Args:
        expected: shapes by name.
        tensors: what the file holds.
        path: the file, for the message.
        prefix: of the names in the file, for the message.

    Raises:
        EngineError: a key is missing, left over, or of another shape; names the first ones.
    """
    missing = [prefix + name for name in expected if name not in tensors]
    extra = [prefix + name for name in tensors if name not in expected]
    reshaped = [
        f"{prefix}{name} {tuple(tensors[name].shape)} for {shape}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    faults = [
        f"{len(names)} {what} ({_some(names)})"
        for what, names in (("missing", missing), ("extra", extra), ("of another shape", reshaped))
        if names
    ]
    if faults:
        raise EngineError(f"{path}: not the weights of this network: keys {'; '.join(faults)}")


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        member = _only_member(file)
        file.seek(0)
        start = file.read(len(_TORCH_LEGACY_MARK))
        file.seek(0)
        if start[6:9] == b"\0\0{":  # safetensors: eight bytes of length, then JSON
            return load_file(path)
        if start.startswith(_PICKLE_MARK) and start != _TORCH_LEGACY_MARK:
            return read_networks(file)
        # Trainers write their options beside the weights: attributes without behaviour.
        with torch.serialization.safe_globals([argparse.Namespace]):
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
