"""Recorded steps do what the steps do; needs a GPU."""

from __future__ import annotations

import os

import pytest
import torch

from streamfer.models.inversion.replay import replayed


@pytest.mark.gpu
def test_replayed_steps_equal_direct_ones() -> None:
    if not torch.cuda.is_available():
        assert os.environ.get("REQUIRE_GPU") != "1", "REQUIRE_GPU=1, but there is no GPU"
        pytest.skip("no GPU")
    results = []
    for record in (replayed, lambda step: step):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 4).cuda()
        optimizer = torch.optim.Adam(model.parameters(), 0.1, capturable=True)
        x = torch.ones(2, 4, device="cuda")

        def step(
            model: torch.nn.Linear = model,
            optimizer: torch.optim.Adam = optimizer,
            x: torch.Tensor = x,
        ) -> None:
            optimizer.zero_grad()
            torch.autograd.backward(model(x).square().sum())
            optimizer.step()

        run = record(step)
        for _ in range(10):
            run()
        results.append(model.weight.detach().cpu())
    torch.testing.assert_close(results[0], results[1])
