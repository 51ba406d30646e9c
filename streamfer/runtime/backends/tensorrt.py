"""TensorRT: the fastest backend on NVIDIA GPUs.

Uses only what TensorRT 10.13 and 11 have in common. Networks are strongly typed, so the precision
is what the ONNX file says (`streamfer.runtime.backends.half` puts it there).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from streamfer.engine import TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.backends.cuda import SideStream, WorkQueue
from streamfer.runtime.backends.graph_engine import GraphEngine, Program, Shapes, torch_dtype
from streamfer.runtime.backends.half import half_precision
from streamfer.runtime.backends.tensorrt_build import build_plan, describe_profile, error_log
from streamfer.runtime.model import OnnxModel, Precision, Progress, check_precision
from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore

_RECIPE = 1
_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "UINT8": np.uint8,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""TensorRT's names; its enum's integers differ between versions."""


class TensorRtEngine(GraphEngine):
    """An engine on TensorRT.

    Args:
        model: the network, in float32.
        device: `cuda:N`.
        gpu: name and compute capability, for which a compiled engine is kept.
        precision: `fp32` or `fp16`.
        store: keeps the compiled engine.
        on_progress: told how far the build is.
        queue: where the work goes; None makes a side stream.

    Raises:
        EngineError: TensorRT or its driver is missing, the network cannot be built, or the engine
            does not load.
    """

    backend = "tensorrt"

    def __init__(
        self,
        model: OnnxModel,
        *,
        device: str = "cuda:0",
        gpu: str,
        precision: Precision = "fp16",
        store: EngineStore,
        on_progress: Progress | None = None,
        queue: WorkQueue | None = None,
    ) -> None:
        check_precision(model, self.backend, precision, ("fp32", "fp16"))
        trt = import_tensorrt()
        queue = queue or SideStream(device)
        typed = _typed(model, precision)
        with _on(queue.device):
            self._engine = store.open(
                _key(trt, typed, gpu, precision),
                lambda: build_plan(trt, typed, precision, gpu, store, on_progress),
                lambda plan: _deserialize(trt, plan),
            )
        inputs, outputs = _specs(trt, self._engine)
        limit = self._engine.get_tensor_profile_shape(inputs[0].name, 0)[2][0]
        super().__init__(model, queue, inputs, outputs, precision, int(limit))

    def _record(self, shapes: Shapes) -> Program:
        context = self._engine.create_execution_context()
        if context is None:
            raise EngineError(f"{self.name}: TensorRT has no memory for another batch size")
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise EngineError(f"{self.name}: input {name}: {shape} is outside the profile")
        missing = context.infer_shapes()
        if missing:
            raise EngineError(f"{self.name}: TensorRT lacks the shapes of {', '.join(missing)}")
        inputs = {spec.name: self._allocate(spec, shapes[spec.name]) for spec in self.inputs}
        outputs = {
            spec.name: self._allocate(spec, tuple(context.get_tensor_shape(spec.name)))
            for spec in self.outputs
        }
        for name, tensor in (inputs | outputs).items():
            if not context.set_tensor_address(name, tensor.data_ptr()):
                raise EngineError(f"{self.name}: TensorRT refuses the memory of {name}")
        return Program(inputs, outputs, self._queue.record(self._executor(context)))

    def _executor(self, context: Any) -> Callable[[], None]:
        def execute() -> None:
            # Under capture the current stream is the capturing one: the queue's own.
            if not context.execute_async_v3(self._queue.handle):
                raise EngineError(f"{self.name}: TensorRT could not queue a run")

        return execute

    def _allocate(self, spec: TensorSpec, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.zeros(shape, dtype=torch_dtype(spec.dtype), device=self._queue.device)

    def _free(self) -> None:
        self._engine = None


def is_compiled(model: OnnxModel, gpu: str, precision: Precision, store: EngineStore) -> bool:
    """Whether the store holds the engine of a network, so that it is there in a moment.

    Raises:
        EngineError: TensorRT is missing.
    """
    key = _key(import_tensorrt(), _typed(model, precision), gpu, precision)
    return store.read(key) is not None


def import_tensorrt() -> Any:
    """Imports TensorRT.

    Raises:
        EngineError: it is missing, or its libraries are.
    """
    try:
        return importlib.import_module("tensorrt")
    except (ImportError, OSError) as error:
        raise EngineError(
            f"TensorRT cannot be loaded: {error}; install it with: pip install 'streamfer[gpu]'"
        ) from error


def _typed(model: OnnxModel, precision: Precision) -> OnnxModel:
    return half_precision(model) if precision == "fp16" else model


def _key(trt: Any, typed: OnnxModel, gpu: str, precision: Precision) -> EngineKey:
    return EngineKey(
        model=typed.name,
        model_sha256=typed.sha256,
        backend=TensorRtEngine.backend,
        version=trt.__version__,
        device=gpu,
        precision=precision,
        shapes=describe_profile(),
        recipe=_RECIPE,
    )


def _deserialize(trt: Any, plan: bytes) -> Any:
    log = error_log(trt)
    try:
        runtime = trt.Runtime(log)
    except TypeError as error:  # the binding's way to say that there is no driver
        raise EngineError(f"TensorRT finds no usable NVIDIA driver: {error}") from error
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(f"TensorRT refuses the compiled engine: {log.last or 'no reason given'}")
    return engine


def _specs(trt: Any, engine: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    dtypes = {getattr(trt.DataType, name): dtype for name, dtype in _DTYPES.items()}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(None if side < 0 else int(side) for side in engine.get_tensor_shape(name))
        spec = TensorSpec(name, np.dtype(dtypes[engine.get_tensor_dtype(name)]), shape)
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append(spec)
    return tuple(inputs), tuple(outputs)


def _on(device: torch.device) -> Any:
    """Makes a GPU the current one: TensorRT builds for and loads onto that."""
    return torch.cuda.device(device if device.type == "cuda" else -1)
