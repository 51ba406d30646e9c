from __future__ import annotations

import ctypes
import enum
import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto

from tests.support.queues import HostQueue

API = json.loads((Path(__file__).parent / "tensorrt_api.json").read_text())


ONNX_TYPES = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.UINT8: "UINT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
}


class Checked:
    """An object with the names of a TensorRT class, of which some do something."""

    def __init__(self, kind: str, names: Iterable[str], members: dict[str, Any], ver: str) -> None:
        unknown = members.keys() - set(names)
        assert not unknown, f"TensorRT {ver}: {kind} has no {unknown}"
        object.__setattr__(self, "_recorded", SimpleNamespace(kind=kind, names=names, version=ver))
        object.__setattr__(self, "_members", dict(members))
        object.__setattr__(self, "_properties", {})

    def __getattr__(self, name: str) -> Any:
        self._must_exist(name)
        if name in self._properties:
            return self._properties[name]()
        return self._members[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._must_exist(name)
        self._members[name] = value

    def _must_exist(self, name: str) -> None:
        real = self._recorded
        assert name in real.names, f"TensorRT {real.version}: {real.kind} has no {name}"

    def _provide(self, name: str, value: Any) -> None:
        self._must_exist(name)
        self._properties[name] = value


class Logger:
    Severity = enum.IntEnum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING"], start=0)

    def __init__(self) -> None:
        self.constructed = True


class ProgressMonitor:
    def __init__(self) -> None:
        self.constructed = True


class Execution:
    """An execution context."""

    def __init__(self, session: Any, profile: dict[str, Any], failure: str) -> None:
        self._session = session
        self._profile = profile
        self._failure = failure
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._profile[name]
        inside = all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))
        if not inside or self._failure == "shape":
            return False
        self._shapes[name] = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        if self._failure == "missing":
            return ["images"]
        zeros = {
            node.name: np.zeros(self._shapes[node.name], numpy_type(node))
            for node in self._session.get_inputs()
        }
        for node, array in zip(
            self._session.get_outputs(), self._session.run(None, zeros), strict=True
        ):
            self._shapes[node.name] = array.shape
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return self._failure != "address"

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle == HostQueue.handle, "the default stream must not be used"
        if self._failure == "execute":
            return False
        inputs = {node.name: self._memory(node) for node in self._session.get_inputs()}
        for node, array in zip(
            self._session.get_outputs(), self._session.run(None, inputs), strict=True
        ):
            self._memory(node)[...] = array
        return True

    def _memory(self, node: Any) -> np.ndarray:
        shape, dtype = self._shapes[node.name], np.dtype(numpy_type(node))
        size = int(np.prod(shape)) * dtype.itemsize
        raw = (ctypes.c_uint8 * size).from_address(self._addresses[node.name])
        return np.frombuffer(raw, dtype=dtype).reshape(shape)


def numpy_type(node: Any) -> Any:
    return {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[node.type]


def dynamic(shape: Iterable[int | str]) -> tuple[int, ...]:
    return tuple(side if isinstance(side, int) else -1 for side in shape)


def quiet() -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return options


def report(monitor: Any) -> bool:
    """A build as the monitor sees it; False where it asks for its end."""
    assert monitor.constructed
    monitor.phase_start("Building", None, 4)
    monitor.phase_start("Inner", "Building", 100)
    goes_on = monitor.step_complete("Inner", 50)
    goes_on = goes_on and all(monitor.step_complete("Building", step) for step in range(4))
    monitor.phase_finish("Inner")
    monitor.phase_finish("Building")
    return goes_on
