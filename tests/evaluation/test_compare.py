import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.errors import ConfigError
from streamfer.evaluation.compare import compare_predictions


def _write(path: Path, right: np.ndarray, **changes: np.ndarray) -> Path:
    classes = np.arange(len(right)) % 7
    answers = np.where(right, classes, (classes + 1) % 7)
    arrays = {
        "probs": np.eye(7, dtype=np.float32)[answers],
        "label": classes,
        "name": np.array([f"{i}.png" for i in range(len(right))]),
        "subject": np.array([f"S{i // 10}" for i in range(len(right))]),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_two_prediction_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.arange(100)
    a, b = _write(tmp_path / "a.npz", rows % 2 == 0), _write(tmp_path / "b.npz", rows % 4 != 3)
    assert main(["eval", "compare", str(a), str(b), "--json", str(tmp_path / "c.json")]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert (found["n"], found["only_a"], found["only_b"]) == (100, 0, 25)
    assert found["difference"] == pytest.approx(0.25)
    assert found["p_value"] < 1e-6
    assert found["confidence_95_by"] == "subject"
    low, high = found["confidence_95"]
    assert 0.2 <= low <= 0.25 <= high <= 0.3  # ten persons who gain 2 or 3 faces each
    assert "difference +25.00%" in capsys.readouterr().out
    alone = _write(tmp_path / "alone.npz", rows % 2 == 0, subject=np.array([], np.str_))
    assert compare_predictions(alone, b)["confidence_95_by"] == "face"


def test_other_faces_are_refused(tmp_path: Path) -> None:
    a = _write(tmp_path / "a.npz", np.ones(10, bool))
    b = _write(tmp_path / "b.npz", np.ones(10, bool), name=np.array(list("abcdefghij")))
    with pytest.raises(ConfigError, match="not of the same faces"):
        compare_predictions(a, b)
    (tmp_path / "c.npz").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"c\.npz: not predictions"):
        compare_predictions(a, tmp_path / "c.npz")


def test_the_figures_replace_no_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = _write(tmp_path / "a.npz", np.ones(10, bool))
    b = _write(tmp_path / "b.npz", np.ones(10, bool))
    before = b.read_bytes()
    assert main(["eval", "compare", str(a), str(b), "--json", str(b)]) == 2
    assert "--json" in (said := capsys.readouterr().err)
    assert "is the input" in said
    assert b.read_bytes() == before


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:300] + whole[400:]])
def test_damaged_predictions_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    a = _write(tmp_path / "a.npz", np.ones(10, bool))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(damage(a.read_bytes()))
    assert main(["eval", "compare", str(a), str(broken)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "broken.npz: not predictions of eval classifier" in line
