"""A network as the backends get it, and the rules that all of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError

Precision = Literal["fp32", "fp16", "bf16", "int8"]


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A network as an ONNX file in memory."""

    name: str
    data: bytes = field(repr=False)
    sha256: str
    """SHA-256 (hex) of `data`."""

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> OnnxModel:
        """Wraps ONNX bytes and takes their hash."""
        return cls(name, data, hashlib.sha256(data).hexdigest())


def check_inputs(model: str, specs: Sequence[TensorSpec], inputs: Mapping[str, Array]) -> None:
    """Holds the inputs of one run against the engine's specs.

    Raises:
        EngineError: a name, dtype or shape differs; says expected and got.
    """
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


def shape_fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    """Whether a concrete shape matches one with dynamic (None) axes."""
    return len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )


def describe_shape(shape: Sequence[int | None]) -> str:
    """A shape for people, dynamic axes as `?`: `(?, 3, 64, 64)`."""
    return "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"
