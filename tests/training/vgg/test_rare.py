"""What the loss and the draw do for classes with few faces."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from streamfer.labels import NUM_LABELS
from streamfer.training.vgg.objective import distribution_loss
from streamfer.training.vgg.rare import RareClasses, face_weights
from streamfer.types import FloatArray

_CPU = torch.device("cpu")


def _targets(counts: list[int]) -> FloatArray:
    return np.repeat(np.eye(NUM_LABELS, dtype=np.float32), counts, axis=0)


def test_nothing_asked_for_changes_nothing() -> None:
    targets = torch.from_numpy(_targets([9, 1, 2, 3, 4, 5, 6]))
    logits = torch.randn(len(targets), NUM_LABELS)
    assert torch.equal(RareClasses(targets.numpy(), 0, 0, _CPU).adjusted(logits, targets), logits)


def test_full_adjustment_learns_the_answers_of_equally_large_classes() -> None:
    """Faces that tell nothing: the loss is least at answers that prefer no class."""
    targets = _targets([80, 2, 10, 30, 20, 8, 50])
    expected = torch.from_numpy(targets)
    for adjustment, equal in ((0.0, False), (1.0, True)):
        logits = torch.zeros(NUM_LABELS, requires_grad=True)
        rare = RareClasses(targets, adjustment, 0, _CPU)
        optimizer = torch.optim.LBFGS([logits], max_iter=200)

        def closure(
            logits: torch.Tensor = logits,
            rare: RareClasses = rare,
            optimizer: torch.optim.LBFGS = optimizer,
        ) -> torch.Tensor:
            optimizer.zero_grad()
            rows = logits.expand(len(expected), -1)
            loss = distribution_loss(rare.adjusted(rows, expected), expected, "ce")
            torch.autograd.backward(loss)
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        learned = torch.softmax(logits.detach(), dim=0)
        shares = torch.full((NUM_LABELS,), 1 / NUM_LABELS) if equal else expected.mean(dim=0)
        assert torch.allclose(learned, shares, atol=2e-3)


def test_margins_fall_with_the_fourth_root_of_the_size() -> None:
    targets = _targets([16, 1, 0, 81, 1, 1, 1])
    rare = RareClasses(targets, 0, 0.5, _CPU)
    one_hot = torch.eye(NUM_LABELS)
    lowered = -rare.adjusted(torch.zeros(NUM_LABELS, NUM_LABELS), one_hot)
    assert torch.equal(lowered, torch.diag(lowered.diag()))
    assert lowered.diag().tolist() == pytest.approx([0.25, 0.5, 0.5, 0.5 / 3, 0.5, 0.5, 0.5])
    loss = [F.cross_entropy(-lowered[i : i + 1], torch.tensor([i])) for i in (0, 1)]
    assert loss[1] > loss[0]


def test_classes_without_faces_give_finite_losses() -> None:
    targets = _targets([4, 0, 0, 0, 0, 0, 0])
    logits = RareClasses(targets, 1, 1, _CPU).adjusted(torch.zeros(4, 7), torch.from_numpy(targets))
    assert logits.isfinite().all()
    empty = np.zeros((3, 7), np.float32)
    assert (
        RareClasses(empty, 1, 1, _CPU)
        .adjusted(torch.zeros(3, 7), torch.zeros(3, 7))
        .isfinite()
        .all()
    )


def test_sampling_shows_every_class_as_often() -> None:
    fer2013 = _targets([80, 2, 10, 30, 20, 8, 50])
    none = np.zeros_like(fer2013)
    assert face_weights(none, fer2013, 0) is None
    chances = face_weights(none, fer2013, 1)
    assert chances is not None
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    assert (chances @ fer2013).tolist() == pytest.approx([1 / 7] * 7, abs=1e-5)
    half = face_weights(none, fer2013, 0.5)
    assert half is not None
    assert (half @ fer2013)[1] > fer2013.mean(axis=0)[1]


def test_faces_without_a_target_may_be_drawn_too() -> None:
    votes = np.zeros((3, 7), np.float32)
    votes[0, 2] = 1
    chances = face_weights(votes, np.zeros((3, 7), np.float32), 1)
    assert chances is not None
    assert chances.tolist() == pytest.approx([1 / 3] * 3)
