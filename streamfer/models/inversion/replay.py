"""Recording a step as a CUDA graph, so that small kernels cost no launch from Python."""

from __future__ import annotations

from collections.abc import Callable

import torch

_WARM_UP = 3
"""Runs before recording: lazily made state must exist, and kernels must have been chosen."""


def replayed(step: Callable[[], None]) -> Callable[[], None]:
    """The same step, run as is a few times, then recorded, then replayed.

    The step must take its inputs from, and leave its results in, tensors that stay where they are,
    and must not wait for the device.
    """
    runs = 0
    graph = torch.cuda.CUDAGraph()

    def run() -> None:
        nonlocal runs
        runs += 1
        if runs <= _WARM_UP:
            # Recording happens on a stream of its own, so the runs before it do too.
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                step()
            torch.cuda.current_stream().wait_stream(side)
            return
        if runs == _WARM_UP + 1:
            # Other threads may go on using the device meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                step()
        graph.replay()

    return run
