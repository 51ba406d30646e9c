import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score

from streamfer.evaluation.agreement import FIGURES, accuracy_per_subject, bootstrap_95
from streamfer.evaluation.metrics import confusion_matrix


def _answers(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 6, n)  # the seventh class has no faces
    answers = np.where(rng.random(n) < 0.6, classes, rng.integers(0, 6, n))
    return answers, classes


def test_figures_are_those_of_scikit_learn() -> None:
    answers, classes = _answers()
    confusion = confusion_matrix(np.eye(7, dtype=np.float32)[answers], classes)
    figures = {name: figure(confusion) for name, figure in FIGURES.items()}
    assert figures["accuracy"] == pytest.approx((answers == classes).mean())
    assert figures["macro_f1"] == pytest.approx(f1_score(classes, answers, average="macro"))
    assert figures["uar"] == pytest.approx(balanced_accuracy_score(classes, answers))
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(classes, answers))


def test_what_does_not_exist_is_none() -> None:
    nothing = np.zeros((7, 7), np.int64)
    assert {figure(nothing) for figure in FIGURES.values()} == {None}
    one_class = nothing.copy()
    one_class[3, 3] = 5
    assert FIGURES["kappa"](one_class) is None
    assert set(bootstrap_95(np.array([3]), np.array([3])).values()) == {None}
    assert accuracy_per_subject(np.array([3]), np.array([3]), ()) is None


def test_intervals_hold_the_figure_and_are_wider_by_subject() -> None:
    answers, classes = _answers()
    right = np.repeat(np.arange(10) % 2 == 0, 20)  # a person is read right always or never
    answers = np.where(right, classes, (classes + 1) % 6)
    by_face = bootstrap_95(answers, classes)["accuracy"]
    subjects = [f"S{i // 20}" for i in range(200)]
    by_subject = bootstrap_95(answers, classes, subjects)["accuracy"]
    assert by_face is not None
    assert by_subject is not None
    assert by_subject[0] < by_face[0] < 0.5 < by_face[1] < by_subject[1]
    assert bootstrap_95(answers, classes, subjects)["accuracy"] == by_subject
    per_subject = accuracy_per_subject(answers, classes, subjects)
    assert per_subject is not None
    assert per_subject["S0"] == {"accuracy": 1.0, "n": 20}
    assert per_subject["S1"]["accuracy"] == 0.0
