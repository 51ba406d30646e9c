"""Devices on which the code for GPUs is tested: the host's memory, and a real GPU."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from streamfer.runtime.device.link import CudaLink
from tests.support.queues import HostLink


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
