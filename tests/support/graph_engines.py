"""A GPU engine's shell around ONNX Runtime."""

from __future__ import annotations

import numpy as np
import torch

from streamfer.runtime.backends.graph_engine import GraphEngine, Program, Shapes
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from tests.support.queues import HostQueue


class HostGraphEngine(GraphEngine):
    """Takes tensors of the host as a GPU's engine takes tensors of its device, so that networks
    that exist as ONNX files only can be tried on the device path."""

    backend = "onnxruntime"

    def __init__(self, model: OnnxModel) -> None:
        self._engine = OnnxRuntimeEngine(model, threads=1)
        super().__init__(
            model, HostQueue(), self._engine.inputs, self._engine.outputs, "fp32", max_batch=16
        )

    def _record(self, shapes: Shapes) -> Program:
        inputs = {
            spec.name: torch.from_numpy(np.zeros(shapes[spec.name], spec.dtype))
            for spec in self.inputs
        }
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        outputs = {name: torch.from_numpy(a) for name, a in self._engine.run(arrays).items()}

        def work() -> None:
            for name, array in self._engine.run(arrays).items():
                outputs[name].copy_(torch.from_numpy(array))

        return Program(inputs, outputs, self._queue.record(work))

    def _free(self) -> None:
        self._engine.close()
