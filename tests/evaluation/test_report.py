import json
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from streamfer.errors import ConfigError, OutputError
from streamfer.evaluation.classifier import Evaluation, EvaluationConfig
from streamfer.evaluation.figure_table import check_table, write_table
from streamfer.evaluation.report import (
    draw_confusion,
    print_evaluation,
    print_folds,
    write_json,
    write_picture,
    write_predictions,
)
from streamfer.labels import COLOURS_RGB


@pytest.fixture
def evaluation() -> Evaluation:
    classes = np.array([0, 3, 3, 6])
    return Evaluation(
        config=EvaluationConfig(data=Path("faces.parquet")),
        index=np.array([0, 2, 3, 9]),
        probs=np.eye(7, dtype=np.float32)[[0, 3, 0, 6]],
        classes=classes,
        duplicate=np.array([True, False, False, False]),
        model_sha256="0" * 64,
    )


def test_the_table_says_everything(evaluation: Evaluation) -> None:
    console = Console(file=StringIO(), width=120)
    print_evaluation(evaluation, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "accuracy 0.7500 on 4 faces, 95 % between 0.2500 and 1.0000 by face" in text
    assert "macro F1 0.7778, UAR 0.8333, kappa 0.6364" in text
    assert "0.6667 without the 1 near-duplicates" in text
    assert "surprise" in text


def test_json_and_predictions_can_be_read_back(evaluation: Evaluation, tmp_path: Path) -> None:
    write_json(evaluation.figures(), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["accuracy"] == 0.75
    write_predictions(evaluation, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["index"].tolist() == [0, 2, 3, 9]
        assert arrays["probs"].shape == (4, 7)
        assert arrays["label"].tolist() == [0, 3, 3, 6]


def test_confusion_is_drawn_in_the_colours_of_the_classes(tmp_path: Path) -> None:
    picture = draw_confusion(np.eye(7, dtype=np.int64) * 5, "test")
    cell = picture[100 + 3 * 84 + 4, 100 + 3 * 84 + 4]
    assert tuple(cell) == COLOURS_RGB["happy"]
    assert tuple(picture[100 + 4, 100 + 84 + 4]) == (255, 255, 255)
    write_picture(picture, tmp_path / "confusion.png")
    read = cv2.cvtColor(cv2.imread(str(tmp_path / "confusion.png")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(read, picture)


@pytest.mark.parametrize("name", ["absent/a.png", "a.nonsense"])
def test_a_picture_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError):
        write_picture(np.zeros((4, 4, 3), np.uint8), tmp_path / name)


def test_files_that_cannot_be_written(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_json({}, tmp_path / "absent" / "a.json")
    with pytest.raises(OutputError, match="cannot write"):
        write_predictions(evaluation, tmp_path / "absent" / "a.npz")


def test_folds_are_shown_where_they_were_run() -> None:
    console = Console(file=StringIO(), width=120)
    result = {"accuracy": 0.9, "n": 30, "per_fold": [0.8, 1.0], "uar": None}
    result |= {"confidence_95": [0.85, 0.95], "confidence_95_by": "subject"}
    result |= {"n_dedup": 28, "accuracy_dedup": 0.85}
    figures = {"folds": 2, "from_scratch": False, "image": result, "subject": None}
    print_folds(figures, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2 folds by image: accuracy 0.9000 (sample SD 0.1414" in text
    assert "95 % between 0.8500 and 0.9500 by subject; UAR –; 30 faces" in text
    assert "30 faces, 2 of which the initial weights learned from: 0.8500 without them" in text
    assert text.count("folds by") == 1
    result["n_dedup"] = None
    print_folds(figures, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "30 faces; which of them the initial weights learned from is not known" in text
    print_folds(figures | {"from_scratch": True}, console)
    assert console.file.getvalue().endswith("; 30 faces\n")  # type: ignore[attr-defined]


def test_a_table_for_a_paper(evaluation: Evaluation, tmp_path: Path) -> None:
    write_table(evaluation.figures(), tmp_path / "a.csv")
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    assert rows[4] == ["happy", "1.0000", "0.5000", "0.6667", "2"]
    assert rows[2] == ["disgust", "", "", "", "0"]
    assert rows[9] == ["accuracy", "0.7500", "0.2500", "1.0000", "4"]
    write_table(evaluation.figures(), tmp_path / "a.tex")
    text = (tmp_path / "a.tex").read_text()
    assert r"happy & 1.0000 & 0.5000 & 0.6667 & 2 \\" in text
    assert r"disgust & -- & -- & -- & 0 \\" in text
    assert text.count("{tabular}") == 2
    with pytest.raises(ConfigError, match=r"expected a \.tex or \.csv file"):
        check_table(tmp_path / "a.xlsx")
    with pytest.raises(OutputError, match="cannot write"):
        write_table(evaluation.figures(), tmp_path / "absent" / "a.tex")
