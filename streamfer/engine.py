"""The one interface behind which every inference backend stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, dtype and shape of one engine input or output."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """None marks a dynamic axis; axis 0 is the batch."""


class Engine(Protocol):
    """A compiled network: named tensors in, named tensors out.

    Implementations live in `streamfer.runtime`, one backend per file. An engine is used by one
    thread at a time.
    """

    name: str
    """The model's name, such as `centerface`."""
    backend: str
    """`onnxruntime`, `openvino`, `tensorrt` or `torch`."""
    device: str
    """`cpu`, `cuda:0`, …"""
    precision: str
    """`fp32`, `fp16`, `bf16` or `int8`."""
    sha256: str
    """SHA-256 (hex) of the model file that the engine was made from."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once.

        Args:
            inputs: one array per input spec, with its dtype and a matching shape.

        Returns:
            One freshly allocated array per output spec.

        Raises:
            EngineError: an input is missing, unexpected, or of the wrong dtype or shape; or the
                backend failed.
        """
        ...

    def close(self) -> None:
        """Frees the engine; it must not be run afterwards. Closing twice is fine."""
        ...
