"""Tests that need a GPU."""

from __future__ import annotations

import os

import pytest

from streamfer.runtime.planning import find_machine


def require_gpu(backend: str) -> None:
    """Skips the test where the backend has no GPU; fails it under REQUIRE_GPU=1."""
    machine = find_machine()
    if machine.torch_sees_gpu and backend in machine.versions:
        return
    reason = f"{backend} has no NVIDIA GPU here"
    if os.environ.get("REQUIRE_GPU") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
