"""A network as the backends get it, and the rules that all of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.forks import check_not_forked

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is done, 0–1."""

BareRun = Callable[[Mapping[str, Array]], object]
"""A backend called directly: runs a network once on named arrays."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network's ONNX file, read when it is asked for.

    A start that finds its engines compiled needs to know which file they are of, not what is in it.
    """

    sha256: str
    """SHA-256 (hex) of what `read` gives."""
    read: Callable[[], bytes] = field(repr=False)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """A file that is in memory already."""
        return cls(hashlib.sha256(data).hexdigest(), lambda: data)


@dataclass(frozen=True, slots=True)
class Int8Form:
    """The same network with quantised weights and activations."""

    make: Callable[[], NetworkFile] = field(repr=False)
    accuracy_cost: float
    """What it loses in accuracy, measured; a fraction."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A network as an ONNX file, and as a torch module where it has that form."""

    name: str
    file: NetworkFile
    precision: Precision = "fp32"
    """`int8` for a file with quantised weights and activations."""
    torch_module: Callable[[], Any] | None = field(default=None, repr=False)
    """Makes the same network as a `torch.nn.Module` in float32: it takes the file's inputs in the
    file's order and returns the outputs in the file's order (one tensor, or a tuple)."""
    int8: Int8Form | None = None
    """None for a network that is not quantised."""

    @classmethod
    def from_bytes(
        cls,
        name: str,
        data: bytes,
        precision: Precision = "fp32",
        torch_module: Callable[[], Any] | None = None,
        int8: Int8Form | None = None,
    ) -> OnnxModel:
        """Wraps ONNX bytes and takes their hash."""
        return cls(name, NetworkFile.of(data), precision, torch_module, int8)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of `data`."""
        return self.file.sha256

    @property
    def data(self) -> bytes:
        """The ONNX file's content, read at every call.

        Raises:
            EngineError: it is no longer there and cannot be made again.
        """
        return self.file.read()

    def in_precision(self, precision: Precision) -> OnnxModel:
        """The network as a file for engines of that precision: the quantised one for int8.

        Raises:
            EngineError: the quantised one cannot be made.
        """
        if precision != "int8" or self.int8 is None:
            return self
        return OnnxModel(self.name, self.int8.make(), "int8")


def check_inputs(model: str, specs: Sequence[TensorSpec], inputs: Mapping[str, Array]) -> None:
    """Holds the inputs of one run against the engine's specs.

    Raises:
        EngineError: a name, dtype or shape differs; says expected and got. Or the engine was opened
            before this process was forked.
    """
    check_not_forked()
    expected = {spec.name for spec in specs}
    if inputs.keys() != expected:
        raise EngineError(f"{model}: expected the inputs {sorted(expected)}, got {sorted(inputs)}")
    for spec in specs:
        array = inputs[spec.name]
        if array.dtype != spec.dtype:
            raise EngineError(
                f"{model}: input {spec.name}: expected dtype {spec.dtype}, got {array.dtype}"
            )
        if not shape_fits(array.shape, spec.shape):
            raise EngineError(
                f"{model}: input {spec.name}: expected shape {describe_shape(spec.shape)},"
                f" got {describe_shape(array.shape)}"
            )


def check_precision(
    model: OnnxModel, backend: str, precision: Precision, offered: Sequence[Precision]
) -> None:
    """Refuses a precision that a backend or a model lacks.

    Raises:
        EngineError: says what can be had.
    """
    if precision not in offered:
        raise EngineError(
            f"{model.name}: {backend} runs in {', '.join(offered)} here, not in {precision}"
        )
    if (precision == "int8") != (model.precision == "int8"):
        raise EngineError(f"{model.name}: its file is {model.precision}, not {precision}")


def shape_fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    """Whether a concrete shape matches one with dynamic (None) axes."""
    return len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )


def describe_shape(shape: Sequence[int | None]) -> str:
    """A shape for people, dynamic axes as `?`: `(?, 3, 64, 64)`."""
    return "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"


def onnx_specs(model: OnnxModel) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs that an ONNX file declares.

    Raises:
        EngineError: the file is broken.
    """
    import onnx

    try:
        graph = onnx.load_model_from_string(model.data).graph
        specs = (
            tuple(_declared(value) for value in graph.input),
            tuple(_declared(value) for value in graph.output),
        )
    except Exception as error:  # protobuf raises many unrelated types
        raise EngineError(f"{model.name}: not an ONNX file: {error}") from error
    if not specs[0] or not specs[1]:
        raise EngineError(f"{model.name}: not an ONNX file: it has no inputs or outputs")
    return specs


def _declared(value: Any) -> TensorSpec:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    shape = tuple(side.dim_value or None for side in tensor.shape.dim)
    return TensorSpec(value.name, tensor_dtype_to_np_dtype(tensor.elem_type), shape)
