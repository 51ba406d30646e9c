"""Devices on which the code for GPUs is tested: the host's memory, and a real GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from streamfer.engine import TensorSpec
from streamfer.runtime.cuda import SideStream, WorkQueue
from streamfer.runtime.device_link import CudaLink, DeviceLink
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.torch import TorchCudaEngine
from tests.support.queues import HostLink, HostQueue


def cuda_link() -> CudaLink:
    """A link to the first GPU; skips the test where there is none, fails it under REQUIRE_GPU=1."""
    if not torch.cuda.is_available():
        reason = "torch sees no NVIDIA GPU here"
        if os.environ.get("REQUIRE_GPU") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return CudaLink("cuda:0")


def device_links() -> list[Any]:
    """What makes a link, as test parameters."""
    return [
        pytest.param(HostLink, id="host"),
        pytest.param(cuda_link, id="cuda", marks=pytest.mark.gpu),
    ]


def torch_engine(
    name: str,
    module: Callable[[], torch.nn.Module],
    specs: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
    link: DeviceLink,
    patch: pytest.MonkeyPatch,
) -> TorchCudaEngine:
    """An engine on the link's device of a network that has no ONNX form, so that it can be made
    where there is no onnx."""
    patch.setattr("streamfer.runtime.torch.onnx_specs", lambda model: specs)
    model = OnnxModel.from_bytes(name, b"", torch_module=module)
    queue: WorkQueue = SideStream(str(link.device)) if link.device.type == "cuda" else HostQueue()
    return TorchCudaEngine(model, device=str(link.device), precision="fp32", queue=queue)
