import numpy as np
import pytest

from streamfer.evaluation.metrics import (
    accuracy,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
)
from streamfer.labels import LABELS
from streamfer.types import FloatArray


def _probs(answers: list[int], confidence: float = 0.88) -> FloatArray:
    probs = np.full((len(answers), 7), (1 - confidence) / 6, np.float32)
    probs[np.arange(len(answers)), answers] = confidence
    return probs


def test_accuracy_and_confusion() -> None:
    classes = np.array([0, 0, 3, 3, 6])
    probs = _probs([0, 3, 3, 3, 0])
    assert accuracy(probs, classes) == pytest.approx(0.6)
    confusion = confusion_matrix(probs, classes)
    assert confusion[0].tolist() == [1, 0, 0, 1, 0, 0, 0]
    assert confusion[3, 3] == 2
    assert confusion[6, 0] == 1
    assert confusion.sum() == 5


def test_class_scores() -> None:
    scores = class_scores(confusion_matrix(_probs([0, 3, 3, 3, 0]), np.array([0, 0, 3, 3, 6])))
    assert list(scores) == list(LABELS)
    assert scores["happy"].precision == pytest.approx(2 / 3)
    assert scores["happy"].recall == 1
    assert scores["happy"].f1 == pytest.approx(0.8)
    assert scores["happy"].support == 2
    assert (scores["fear"].precision, scores["fear"].recall, scores["fear"].f1) == (None,) * 3


@pytest.mark.parametrize(
    ("hits", "confidence", "expected"),
    [(10, 1.0, 0.0), (0, 1.0, 1.0), (7, 0.7, 0.0), (5, 0.9, 0.4)],
)
def test_calibration_error(hits: int, confidence: float, expected: float) -> None:
    classes = np.array([0] * hits + [1] * (10 - hits))
    probs = _probs([0] * 10, confidence)
    assert expected_calibration_error(probs, classes) == pytest.approx(expected, abs=1e-6)


def test_bins_do_not_cancel_each_other() -> None:
    probs = np.concatenate([_probs([0] * 10, 0.95), _probs([0] * 10, 0.55)])
    classes = np.array([0] * 5 + [1] * 5 + [0] * 10)
    # 0.95 is right half the time, 0.55 always: both are off by 0.45.
    assert expected_calibration_error(probs, classes) == pytest.approx(0.45, abs=1e-6)
    assert expected_calibration_error(probs, classes, bins=1) == pytest.approx(0, abs=1e-6)


def test_nothing_scores_nothing() -> None:
    probs, classes = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
    assert accuracy(probs, classes) == 0
    assert expected_calibration_error(probs, classes) == 0
    assert confusion_matrix(probs, classes).sum() == 0
