"""Engines of torch modules that have no ONNX form; needs no test tools and no onnx."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import torch

from streamfer.engine import TensorSpec
from streamfer.runtime.backends.cuda import SideStream, WorkQueue
from streamfer.runtime.backends.torch import TorchCudaEngine
from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.model import OnnxModel, Precision
from tests.support.queues import HostQueue

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""Inputs and outputs."""


def torch_engine(
    name: str,
    module: Callable[[], torch.nn.Module],
    specs: Specs,
    link: DeviceLink,
    precision: Precision = "fp32",
) -> TorchCudaEngine:
    """An engine on the link's device."""
    model = OnnxModel.from_bytes(name, b"", torch_module=module)
    queue: WorkQueue = SideStream(str(link.device)) if link.device.type == "cuda" else HostQueue()
    with mock.patch("streamfer.runtime.backends.torch.onnx_specs", return_value=specs):
        return TorchCudaEngine(model, precision=precision, queue=queue)
