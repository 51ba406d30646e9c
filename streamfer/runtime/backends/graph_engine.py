"""What the CUDA engines share: fixed memory per shape, batches padded and split, graphs replayed.

Recorded work is tied to addresses and shapes. So every shape that occurs gets a `Program`: input
and output tensors that stay where they are, and a recorded run between them. Batches are padded to
the next power of two, which keeps the programs few, and split where they exceed the largest one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.backends.cuda import WorkQueue
from streamfer.runtime.model import OnnxModel, Precision, check_inputs, describe_shape, shape_fits

Tensors = Mapping[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]

_PROGRAMS_KEPT = 16
"""Shapes whose memory and graph are kept; the one used longest ago goes first. The detector alone
has up to seven per size of pictures: whole, smaller, turned, parts and tiles."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A recorded run for one set of input shapes."""

    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]
    replay: Callable[[], None]
    """Queues the run from `inputs` to `outputs`."""


class GraphEngine(ABC):
    """An engine on a GPU: numpy through `run`, tensors of its device through `enqueue`.

    Args:
        model: the network.
        queue: where the work goes.
        inputs: specs of the inputs.
        outputs: specs of the outputs.
        precision: what the engine computes in.
        max_batch: the largest batch of one run; larger ones are split.
    """

    backend: str

    def __init__(
        self,
        model: OnnxModel,
        queue: WorkQueue,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        precision: Precision,
        max_batch: int,
    ) -> None:
        self.name = model.name
        self.sha256 = model.sha256
        self.device = str(queue.device)
        self.precision: str = precision
        self.inputs = inputs
        self.outputs = outputs
        self._queue = queue
        self._max_batch = max_batch
        self._programs: OrderedDict[tuple[tuple[int, ...], ...], Program] = OrderedDict()
        self._closed = False

    @abstractmethod
    def _record(self, shapes: Shapes) -> Program:
        """Makes the program for these input shapes."""

    @abstractmethod
    def _free(self) -> None:
        """Frees what the subclass holds."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once on arrays of the host; see `Engine.run`."""
        self._check_open()
        check_inputs(self.name, self.inputs, inputs)
        tensors = {name: torch.from_numpy(_plain(array)) for name, array in inputs.items()}
        outputs = self._enqueue(tensors)
        try:
            arrays = {name: tensor.cpu().numpy() for name, tensor in outputs.items()}
            self._queue.synchronize()
        except RuntimeError as error:
            raise EngineError(f"{self.name}: {self.device} failed: {_one_line(error)}") from error
        return arrays

    def enqueue(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        """Queues one run on tensors of the engine's device, in order with the caller's stream.

        Args:
            inputs: one tensor per input spec, on the engine's device.

        Returns:
            Fresh tensors on the device; valid for work that the caller queues after this call.

        Raises:
            EngineError: an input is missing, unexpected, or of the wrong dtype, shape or device;
                or the device failed.
        """
        self._check_open()
        self._check_tensors(inputs)
        return self._enqueue(inputs)

    def resident_run(self, inputs: Mapping[str, Array]) -> Callable[[], object]:
        """Copies inputs to the device once.

        Args:
            inputs: one array per input spec.

        Returns:
            Runs the network on them and waits for the end; the answers stay on the device.
        """
        device = self._queue.device
        tensors = {name: torch.tensor(array, device=device) for name, array in inputs.items()}

        def run() -> None:
            self.enqueue(tensors)
            self._queue.synchronize()

        return run

    def close(self) -> None:
        """Waits for queued work and frees the memory; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._queue.synchronize()
            self._programs.clear()
            self._free()

    def _enqueue(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        count = next(iter(inputs.values())).shape[0]
        starts = range(0, count, self._max_batch)
        try:
            with self._queue.follow(inputs.values()):
                parts = [
                    self._run_part({n: t[s : s + self._max_batch] for n, t in inputs.items()})
                    for s in starts
                ]
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            raise EngineError(f"{self.name}: {self.device} failed: {_one_line(error)}") from error
        if len(parts) == 1:
            return parts[0]
        return {spec.name: torch.cat([part[spec.name] for part in parts]) for spec in self.outputs}

    def _run_part(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        count = next(iter(inputs.values())).shape[0]
        padded = padded_batch(count, self._max_batch)
        program = self._program({n: (padded, *t.shape[1:]) for n, t in inputs.items()})
        for name, tensor in inputs.items():
            program.inputs[name][:count].copy_(tensor, non_blocking=True)
        program.replay()
        return {spec.name: program.outputs[spec.name][:count].clone() for spec in self.outputs}

    def _program(self, shapes: Shapes) -> Program:
        key = tuple(shapes[spec.name] for spec in self.inputs)
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) >= _PROGRAMS_KEPT:
                self._queue.synchronize()
                self._programs.popitem(last=False)
            program = self._programs[key] = self._record(shapes)
        self._programs.move_to_end(key)
        return program

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(f"{self.name}: the engine is closed")

    def _check_tensors(self, inputs: Tensors) -> None:
        if inputs.keys() != {spec.name for spec in self.inputs}:
            expected = sorted(spec.name for spec in self.inputs)
            raise EngineError(f"{self.name}: expected the inputs {expected}, got {sorted(inputs)}")
        for spec in self.inputs:
            tensor = inputs[spec.name]
            wanted = torch_dtype(spec.dtype)
            where = f"{self.name}: input {spec.name}: expected"
            if tensor.device != self._queue.device:
                raise EngineError(f"{where} device {self.device}, got {tensor.device}")
            if tensor.dtype != wanted:
                raise EngineError(f"{where} dtype {wanted}, got {tensor.dtype}")
            if not shape_fits(tensor.shape, spec.shape):
                got = describe_shape(tuple(tensor.shape))
                raise EngineError(f"{where} shape {describe_shape(spec.shape)}, got {got}")


def padded_batch(count: int, max_batch: int) -> int:
    """The next power of two, at most `max_batch`."""
    return min(1 << max(count - 1, 0).bit_length(), max_batch)


def torch_dtype(dtype: np.dtype[np.generic]) -> torch.dtype:
    """The torch dtype that holds the same numbers."""
    return torch.from_numpy(np.empty(0, dtype=dtype)).dtype


def _plain(array: Array) -> Array:
    """A contiguous, writable array, without a copy where it is one already; torch wants that."""
    return np.require(array, requirements=["C", "W"])


def _one_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
