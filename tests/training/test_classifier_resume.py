import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.training.classifier import (
    main,
    train_classifier,
)
from streamfer.training.vgg.classifier_run import ClassifierRun, TrainingFiles
from tests.support.classifier_runs import TINY, StopsAfter, weights_of
from tests.support.labelled_faces import drawn_set, write_parquet


def test_a_resumed_run_ends_as_an_unbroken_one(files: TrainingFiles, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    config = replace(TINY, epochs=3, cooldown=0.0, sizes=(16,))
    train_classifier(config, replace(files, out=whole))
    with pytest.raises(KeyboardInterrupt):
        train_classifier(config, replace(files, out=broken), StopsAfter("epoch   1"))
    train_classifier(config, replace(files, out=broken, resume=True))
    assert torch.equal(weights_of(whole), weights_of(broken))
    assert len((broken / "metrics.jsonl").read_text().splitlines()) == 3


def test_the_time_limit_ends_a_run_and_the_schedule_follows(
    files: TrainingFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, epochs=100, max_seconds=10.0)
    positions: list[float] = []

    def factor(position: float, *_: float) -> float:
        positions.append(position)
        return 0.1

    monkeypatch.setattr("streamfer.training.vgg.classifier_run.learning_rate_factor", factor)
    readings = iter([0.0, 0.0, 5.0, 10.0])
    weights = train_classifier(config, replace(files, out=tmp_path), clock=lambda: next(readings))
    assert weights.with_suffix(".md").exists()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["input_size"] for row in rows] == [16, 24]
    assert positions[0] == 0
    assert positions[-1] == 50


@pytest.mark.parametrize(("name", "value"), [("epochs", 2), ("cooldown", 0.1)])
def test_resuming_to_another_length_is_refused(
    files: TrainingFiles, tmp_path: Path, name: str, value: float
) -> None:
    config = replace(TINY, epochs=1)
    card = train_classifier(config, replace(files, out=tmp_path)).with_suffix(".md")
    before = card.read_text()
    changed = replace(config, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"was trained with {name} "):
        train_classifier(changed, replace(files, out=tmp_path, resume=True))
    assert card.read_text() == before


def test_resuming_on_other_data_is_refused(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1)
    card = train_classifier(config, replace(files, out=tmp_path)).with_suffix(".md")
    before = card.read_text()
    other = write_parquet(tmp_path / "other.parquet", drawn_set(70, seed=900))
    with pytest.raises(ConfigError, match="was trained on other faces"):
        train_classifier(config, replace(files, data=other, out=tmp_path, resume=True))
    assert card.read_text() == before


def test_resuming_with_other_settings_is_refused(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1)
    train_classifier(config, replace(files, out=tmp_path))
    with pytest.raises(ConfigError, match="was trained with batch_size 14, not 7"):
        train_classifier(replace(config, batch_size=7), replace(files, out=tmp_path, resume=True))


@pytest.mark.parametrize("name", ["initial", "teacher"])
def test_resuming_from_other_weights_is_refused(
    files: TrainingFiles, tmp_path: Path, name: str
) -> None:
    config = replace(TINY, epochs=1)
    first = train_classifier(config, replace(files, out=tmp_path))
    changes = {name: first if name == "initial" else (first,)}
    other = replace(files, out=tmp_path, resume=True, **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"other --{name} weights .SHA-256 none, not"):
        train_classifier(config, other)


def test_an_interrupted_run_says_how_to_go_on(
    files: TrainingFiles,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClassifierRun, "train_epoch", interrupt)
    arguments = ["--data", str(files.data), "--landmarks", str(files.landmarks)]
    assert main([*arguments, "--out", str(tmp_path), "--width", "0.125"]) == 130
    assert "--resume" in capsys.readouterr().err
