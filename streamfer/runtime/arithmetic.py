"""How much arithmetic a network takes, and how much a device can do."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from streamfer.errors import EngineError
from streamfer.runtime.model import OnnxModel

_MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
"""Large enough that a matrix product is limited by arithmetic, not by memory."""
_WARM_UP_RUNS = 2


def count_flops(model: OnnxModel, shapes: Mapping[str, Sequence[int]]) -> int:
    """Floating-point operations of one run: two per multiply-add of every convolution and matrix
    product. What else a network does is small beside these.

    Args:
        model: the network.
        shapes: shape of every input.

    Raises:
        EngineError: the file's shapes do not follow from those of the inputs.
    """
    import onnx
    from onnx import shape_inference

    file = onnx.load_model_from_string(model.data)
    for value in file.graph.input:
        for side, size in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            side.dim_value = size
    del file.graph.value_info[:]
    for value in file.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        graph = shape_inference.infer_shapes(file, strict_mode=True, data_prop=True).graph
    except shape_inference.InferenceError as error:
        raise EngineError(f"{model.name}: its shapes do not follow: {error}") from error
    known = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        known[value.name] = tuple(side.dim_value for side in sides)
    return 2 * sum(_multiply_adds(node, known) for node in graph.node)


def _multiply_adds(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "MatMul":
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    if node.op_type == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        inner = shapes[node.input[0]][0 if transposed else 1]
        return math.prod(shapes[node.output[0]]) * inner
    return 0


def measure_flops_limit(
    device: str,
    precision: str,
    seconds: float = 1.0,
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """The most floating-point operations per second that a device reaches: those of a large matrix
    product, by numpy in float32 on a CPU, else by torch.

    Args:
        device: `cpu` or `cuda:N`.
        precision: `fp32` (on a GPU without TF32), `fp16` or `bf16`.
        seconds: how long to measure.
        clock: monotonic seconds.

    Returns:
        None for a precision that the matrix product lacks, or that takes torch where it is missing.
    """
    if (device, precision) == ("cpu", "fp32"):
        run = _numpy_product(_MATRIX_SIDE["cpu"])
    elif precision in ("fp32", "fp16", "bf16") and importlib.util.find_spec("torch"):
        run = _torch_product(device, precision)
    else:
        return None
    best = math.inf
    for _ in range(_WARM_UP_RUNS):
        run()
    ends = clock() + seconds
    while True:
        began = clock()
        run()
        now = clock()
        best = min(best, now - began)
        if now >= ends:
            return 2.0 * _side(device) ** 3 / best


def _side(device: str) -> int:
    return _MATRIX_SIDE[device.partition(":")[0]]


def _numpy_product(side: int) -> Callable[[], object]:
    matrix = np.random.default_rng(0).random((side, side), dtype=np.float32)
    product = np.empty_like(matrix)
    return lambda: np.matmul(matrix, matrix, out=product)


def _torch_product(device: str, precision: str) -> Callable[[], object]:
    import torch

    dtypes = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    side = _side(device)
    # Random: a GPU draws less power, and so clocks higher, for equal numbers.
    matrix = torch.rand((side, side), device=device).to(dtypes[precision])
    product = torch.empty_like(matrix)

    def run() -> None:
        torch.mm(matrix, matrix, out=product)
        if matrix.is_cuda:
            torch.cuda.synchronize(matrix.device)

    return run
