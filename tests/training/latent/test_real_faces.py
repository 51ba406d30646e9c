from __future__ import annotations

import pytest
import torch

from streamfer.training.latent.real_faces import averaging_step, draw_real, follow, jitter


def test_half_of_the_faces_are_mirrored() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(0, 256, 32, dtype=torch.uint8).expand(3, 8, 8)
    drawn = draw_real(ramp, 400)
    assert drawn.shape == (400, 1, 8, 8)
    rising = drawn[:, 0, 0, -1] > drawn[:, 0, 0, 0]
    assert 150 < rising.sum() < 250
    assert drawn.min() == -1.0


@pytest.mark.parametrize(("updates", "step"), [(0, 0.9), (8, 0.5), (100_000, 0.002)])
def test_averages_move_further_at_first(updates: int, step: float) -> None:
    assert averaging_step(updates, 0.998) == pytest.approx(step)


def test_an_average_follows_weights_and_statistics() -> None:
    average, current = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    current.weight.data.fill_(3.0)
    current.running_mean.fill_(8.0)  # type: ignore[union-attr]
    follow(average, current, 0.25)
    assert average.weight.tolist() == [1.5, 1.5]
    assert average.running_mean.tolist() == [2.0, 2.0]  # type: ignore[union-attr]


def test_jitter_moves_and_relights_a_little() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 16, 16)
    picture[:, :, 4:12, 4:12] = 0.5
    changed = jitter(picture.expand(200, -1, -1, -1))
    assert changed.shape == (200, 1, 16, 16)
    assert changed.abs().max() <= 1
    assert ((changed - picture).abs().amax(dim=(1, 2, 3)) > 0.02).all()
    assert (changed.mean(dim=0) - picture[0]).abs().mean() < 0.05
