"""Reads the tensors of NVIDIA's network pickles, and nothing else of them.

`stylegan2-ada-pytorch` pickles whole networks: their tensors together with the source code of
their classes, which its own reader executes. Here names of classes and functions are never looked
up: they stand for records that hold what the file says, so nothing in the file can run. Of the
records only the tensors are used.
"""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Mapping
from typing import IO, Any

import torch
from torch import Tensor
from torch._utils import _rebuild_tensor

NETWORKS = ("G", "D", "G_ema")
"""What such a file holds; the last is the one to use."""
_KNOWN_PACKAGES = ("torch", "numpy", "torch_utils", "dnnlib")
"""Packages whose names occur in the published files."""


class TensorPickleError(Exception):
    """The file is not one of pickled networks."""


def read_networks(file: IO[bytes]) -> dict[str, dict[str, Tensor]]:
    """The named tensors of each network of a file.

    Raises:
        TensorPickleError: it names something that no published file does, or holds no networks.
        Exception: it is damaged; whatever reading it stumbles over.
    """
    content = _TensorUnpickler(file).load()
    if not isinstance(content, dict):
        raise TensorPickleError(
            "it holds no networks by name, as stylegan2-ada-pytorch writes them"
        )
    networks = {name: content[name] for name in NETWORKS if isinstance(content.get(name), _Network)}
    return {name: network.tensors() for name, network in networks.items()}


class _Record:
    """Stands for an object that is not wanted; takes whatever the file says of it."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Dict(dict[Any, Any]):
    """Stands for `dnnlib.EasyDict`."""


class _Network:
    """Stands for a pickled network or a part of one: tensors and further parts by name."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._state: Mapping[str, Any] = meta["state"]

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and buffers, named as in torch's `state_dict`."""
        found: dict[str, Tensor] = {}
        for kind in ("_parameters", "_buffers"):
            for name, value in self._state[kind].items():
                if isinstance(value, Tensor):
                    found[prefix + name] = value
        for name, part in self._state["_modules"].items():
            if isinstance(part, _Network):
                found.update(part.tensors(f"{prefix}{name}."))
        return found


def _storage(content: bytes) -> torch.TypedStorage:
    """Numbers, as torch writes them; read by torch's own reader of weights alone."""
    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(storage, torch.TypedStorage):
        raise TensorPickleError(f"a tensor holds a {type(storage).__name__} in place of numbers")
    return storage


def _tensor(
    storage: torch.TypedStorage,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    *_: Any,
) -> Tensor:
    tensor: Tensor = _rebuild_tensor(storage, offset, size, stride)  # type: ignore[no-untyped-call]
    return tensor


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


_STAND_INS: dict[tuple[str, str], Any] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Network,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("dnnlib.util", "EasyDict"): _Dict,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
}


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is not None:
            return stand_in
        if module.partition(".")[0] in _KNOWN_PACKAGES:
            return _Record
        raise TensorPickleError(f"it names {module}.{name}, which no published network does")
