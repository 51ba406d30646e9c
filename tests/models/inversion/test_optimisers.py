"""What moves codes: Adam as others know it, and Newton's steps, of numpy and of torch alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamfer.models.inversion.curvature import Curvature
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.optimisers import Adam, MeanNewton, Optimiser, optimiser_for

SCALES = np.array([1.0, 0.1, 0.01, 0.001], np.float32)
"""Second derivatives of a narrow valley along its four axes."""
CURVATURE = Curvature(np.eye(4, dtype=np.float32)[:3], SCALES[:3], 0.001)


def loss_after(optimiser: Optimiser, offset: np.ndarray, steps: int) -> float:
    for _ in range(steps):
        optimiser.move(SCALES.reshape(offset.shape) * (offset - 1))
    return float((SCALES.reshape(offset.shape) * (offset - 1) ** 2).sum())


def test_adam_is_the_usual_one() -> None:
    offset, rate = np.zeros((1, 2, 2), np.float32), np.full(1, 0.1, np.float32)
    parameter = torch.zeros(1, 2, 2, requires_grad=True)
    usual = torch.optim.Adam([parameter], lr=0.1, betas=(0.9, 0.99), eps=1e-8)
    ours = Adam(offset, rate)
    for seed in range(6):
        gradient = np.random.default_rng(seed).normal(size=offset.shape).astype(np.float32)
        parameter.grad = torch.from_numpy(gradient)
        usual.step()
        ours.move(gradient)
    np.testing.assert_allclose(offset, parameter.detach(), rtol=1e-4)


@pytest.mark.parametrize("curvature", [None, CURVATURE], ids=["Adam", "Newton"])
def test_numpy_and_torch_move_alike_and_begin_anew(curvature: Curvature | None) -> None:
    config = InversionConfig(curvature=curvature)
    offset, rate = np.zeros((1, 2, 2), np.float32), np.full(1, 0.1, np.float32)
    moved = torch.zeros(1, 2, 2)
    of_torch = InversionConfig(
        curvature=curvature
        and Curvature(torch.from_numpy(CURVATURE.axes), torch.from_numpy(CURVATURE.values), 0.001)
    )
    pair = (
        optimiser_for(config, offset, rate),
        optimiser_for(of_torch, moved, torch.from_numpy(rate)),
    )
    ends = []
    for _ in range(2):
        offset[...], moved[...] = 0, 0
        for optimiser in pair:
            optimiser.begin()
        for seed in range(4):
            gradient = np.random.default_rng(seed).normal(size=offset.shape).astype(np.float32)
            pair[0].move(gradient)
            pair[1].move(torch.from_numpy(gradient))
        np.testing.assert_allclose(offset, moved, rtol=1e-4, atol=1e-6)
        ends.append(offset.copy())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)


def test_the_curvature_leads_through_a_narrow_valley_in_a_few_steps() -> None:
    config = InversionConfig(curvature=CURVATURE)
    start = np.zeros((1, 2, 2), np.float32)
    newton = optimiser_for(config, start, np.full(1, config.rate(0), np.float32))
    assert isinstance(newton, MeanNewton)
    assert loss_after(newton, start, 6) < 0.01
    for learning_rate in (0.03, 0.1, 0.3, 1.0):
        start = np.zeros((1, 2, 2), np.float32)
        adam = Adam(start, np.full(1, learning_rate, np.float32))
        assert loss_after(adam, start, 6) > 0.01
