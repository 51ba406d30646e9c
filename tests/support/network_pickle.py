"""Pickles of the form that `stylegan2-ada-pytorch` writes: tensors beside source code."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from torch import Tensor, nn


class EasyDict(dict[str, Any]):
    """Theirs, as far as pickling goes."""


def _reconstruct_persistent_obj(meta: object) -> None:
    raise AssertionError("nobody may call it")


EasyDict.__module__ = "dnnlib.util"
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """A network, or a part of one, that is pickled with the source of its class."""

    def __init__(self, state: Mapping[str, Any], source: str) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": "Generator",
            "state": dict(state),
        }

    def __reduce__(self) -> object:
        return _reconstruct_persistent_obj, (self.meta,), None


def write_network_pickle(path: Path, tensors: Mapping[str, Tensor], source: str = "") -> Path:
    """Writes G and G_ema, both with these tensors by dotted names."""
    networks = {name: _network(tensors, source) for name in ("G", "G_ema")}
    content = {**networks, "D": None, "training_set_kwargs": EasyDict(size=3), "augment_pipe": None}
    modules = {name: ModuleType(name) for name in ("torch_utils", "dnnlib")}
    persistence, utilities = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")
    persistence.__dict__["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    utilities.__dict__["EasyDict"] = EasyDict
    modules |= {"torch_utils.persistence": persistence, "dnnlib.util": utilities}
    with mock.patch.dict(sys.modules, modules):
        path.write_bytes(pickle.dumps(content))
    return path


def _network(tensors: Mapping[str, Tensor], source: str) -> Persistent:
    own: OrderedDict[str, Tensor | None] = OrderedDict(none=None)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            parts.setdefault(first, {})[rest] = value
        else:
            own[first] = nn.Parameter(value, requires_grad=False)
    state = {
        "training": False,
        "_parameters": own,
        "_buffers": OrderedDict(),
        "_modules": OrderedDict((name, _network(part, source)) for name, part in parts.items()),
        "_non_persistent_buffers_set": set(),
        "_init_kwargs": EasyDict(z_dim=8),
        "weight_gain": np.float64(0.5),
    }
    return Persistent(state, source)
