import pytest
import torch
from torch.nn import functional as F

from streamfer.training.vgg.objective import (
    distribution_loss,
    fit_temperature,
    input_size_of_epoch,
    learning_rate_factor,
)


def test_cross_entropy_of_one_hot_targets_is_torchs() -> None:
    torch.manual_seed(0)
    logits, classes = torch.randn(6, 7), torch.arange(6)
    loss = distribution_loss(logits, F.one_hot(classes, 7).float(), "ce")
    assert torch.isclose(loss, F.cross_entropy(logits, classes))


def test_squared_error_is_the_papers() -> None:
    logits, target = torch.zeros(1, 7), torch.eye(7)[:1]
    expected = (1 - 1 / 7) ** 2 + 6 / 49
    assert float(distribution_loss(logits, target, "mse")) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["ce", "mse"])
def test_rows_without_a_target_teach_nothing(kind: str) -> None:
    logits = torch.randn(3, 7, requires_grad=True)
    targets = torch.eye(7)[:3].clone()
    targets[1] = 0
    loss = distribution_loss(logits, targets, kind)  # type: ignore[arg-type]
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[1].abs().sum() == 0
    assert logits.grad[0].abs().sum() > 0
    nothing = distribution_loss(logits, torch.zeros(3, 7), kind)  # type: ignore[arg-type]
    assert float(nothing.detach()) == 0


@pytest.mark.parametrize(
    ("epoch", "factor"), [(0, 0.1), (0.5, 0.55), (1, 1), (5, 1), (7.5, 0.5), (10, 0)]
)
def test_learning_rate(epoch: float, factor: float) -> None:
    assert learning_rate_factor(epoch, 10, 1.0, 0.5) == pytest.approx(factor)


def test_a_cool_down_of_nothing_and_no_warm_up() -> None:
    assert learning_rate_factor(0, 10, 0.0, 0.0) == 1
    assert learning_rate_factor(9.9, 10, 0.0, 0.0) == 1


@pytest.mark.parametrize(
    ("epochs", "sizes", "expected"),
    [(6, (32, 40, 48), [32, 32, 40, 40, 48, 48]), (3, (48,), [48] * 3), (1, (32, 48), [32])],
)
def test_sizes_share_the_run(epochs: int, sizes: tuple[int, ...], expected: list[int]) -> None:
    assert [input_size_of_epoch(e, epochs, sizes) for e in range(epochs)] == expected


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_temperature_undoes_over_and_under_confidence(factor: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 7, generator=generator) * 2
    classes = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]
    assert fit_temperature(logits * factor, classes) == pytest.approx(factor, rel=0.1)


def test_temperature_of_nothing_is_one() -> None:
    assert fit_temperature(torch.zeros(0, 7), torch.zeros(0, dtype=torch.int64)) == 1.0
