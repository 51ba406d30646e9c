"""torch: plain on the CPU; CUDA graphs, channels-last and half precision on a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch

from streamfer.engine import Array
from streamfer.errors import EngineError
from streamfer.runtime.backends.cuda import SideStream, WorkQueue
from streamfer.runtime.backends.graph_engine import GraphEngine, Program, Shapes, torch_dtype
from streamfer.runtime.model import (
    OnnxModel,
    Precision,
    check_inputs,
    check_precision,
    onnx_specs,
)

_MAX_BATCH = 128
_AUTOCAST: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


class TorchEngine:
    """An engine on torch's CPU kernels, in float32.

    The number of threads is torch's own setting, which is the process's.

    Args:
        model: the network; it must have its torch form.

    Raises:
        EngineError: it has none, or its module cannot be made.
    """

    backend = "torch"
    device = "cpu"
    precision = "fp32"

    def __init__(self, model: OnnxModel) -> None:
        check_precision(model, self.backend, "fp32", ("fp32",))
        self.name = model.name
        self.sha256 = model.sha256
        self.inputs, self.outputs = onnx_specs(model)
        self._module: torch.nn.Module | None = _make_module(model, torch.device("cpu"))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; see `Engine.run`."""
        if self._module is None:
            raise EngineError(f"{self.name}: the engine is closed")
        check_inputs(self.name, self.inputs, inputs)
        tensors = [torch.tensor(inputs[spec.name]) for spec in self.inputs]
        try:
            with torch.inference_mode():
                outputs = _as_tuple(self._module(*tensors))
        except RuntimeError as error:
            raise EngineError(f"{self.name}: torch failed: {error}") from error
        return {
            spec.name: tensor.numpy() for spec, tensor in zip(self.outputs, outputs, strict=True)
        }

    def close(self) -> None:
        """Frees the module."""
        self._module = None


class TorchCudaEngine(GraphEngine):
    """An engine on torch's CUDA kernels: one recorded graph per shape.

    Args:
        model: the network; it must have its torch form.
        device: `cuda:N`.
        precision: `fp32`, `fp16` or `bf16`. Half precision is torch's autocast, which keeps
            in float32 what needs its range.
        queue: where the work goes; None makes a side stream.

    Raises:
        EngineError: there is no torch form, or the device cannot take it.
    """

    backend = "torch"

    def __init__(
        self,
        model: OnnxModel,
        *,
        device: str = "cuda:0",
        precision: Precision = "fp16",
        queue: WorkQueue | None = None,
    ) -> None:
        check_precision(model, self.backend, precision, ("fp32", "fp16", "bf16"))
        inputs, outputs = onnx_specs(model)
        queue = queue or SideStream(device)
        super().__init__(model, queue, inputs, outputs, precision, _MAX_BATCH)
        self._module: torch.nn.Module | None = _make_module(model, queue.device)

    def _record(self, shapes: Shapes) -> Program:
        module = self._module
        assert module is not None
        device = self._queue.device
        static_inputs = {
            spec.name: torch.zeros(shapes[spec.name], dtype=torch_dtype(spec.dtype), device=device)
            for spec in self.inputs
        }
        arguments = [static_inputs[spec.name] for spec in self.inputs]
        with self._computing():
            examples = _as_tuple(module(*arguments))
        static_outputs = {
            spec.name: torch.empty_like(example, dtype=torch_dtype(spec.dtype))
            for spec, example in zip(self.outputs, examples, strict=True)
        }

        def work() -> None:
            with self._computing():
                results = _as_tuple(module(*arguments))
            for spec, result in zip(self.outputs, results, strict=True):
                static_outputs[spec.name].copy_(result)

        return Program(static_inputs, static_outputs, self._queue.record(work))

    @contextlib.contextmanager
    def _computing(self) -> Any:
        half = _AUTOCAST.get(self.precision)
        kind = self._queue.device.type
        # The cache of cast weights must not outlive a graph's own memory.
        autocast = torch.autocast(kind, half, enabled=half is not None, cache_enabled=False)
        with torch.no_grad(), autocast:
            yield

    def _free(self) -> None:
        self._module = None


def _make_module(model: OnnxModel, device: torch.device) -> torch.nn.Module:
    if model.torch_module is None:
        raise EngineError(f"{model.name}: it exists as an ONNX file only; torch cannot run it")
    try:
        module = model.torch_module().eval().requires_grad_(False)
        return module.to(device=device, memory_format=torch.channels_last)
    except RuntimeError as error:
        raise EngineError(f"{model.name}: torch cannot load it on {device}: {error}") from error


def _as_tuple(outputs: Any) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
