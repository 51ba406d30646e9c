import json
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from streamfer.errors import ConfigError
from streamfer.evaluation.duplicates import hash_pictures
from streamfer.labels import LABEL_SETS
from streamfer.models.vgg import load_face_vgg, read_training_hashes
from streamfer.training.classifier import (
    main,
    split_held_out,
    train_classifier,
)
from streamfer.training.faces.data import concatenate
from streamfer.training.faces.landmarks import picture_key
from streamfer.training.splits import read_splits
from streamfer.training.vgg.classifier_options import PRESETS, parse_arguments
from streamfer.training.vgg.classifier_run import TrainingFiles
from tests.support.classifier_runs import TINY, weights_of
from tests.support.labelled_faces import drawn_set, write_tree


def test_a_run_leaves_weights_metrics_curves_and_a_card(
    files: TrainingFiles, tmp_path: Path
) -> None:
    console = Console(file=StringIO(), width=100)
    weights = train_classifier(TINY, replace(files, out=tmp_path), console)
    model = load_face_vgg(weights)
    assert model.config.width == 0.125
    assert (model.temperature != 1).any()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["input_size"] for row in rows] == [16, 24]
    assert cv2.imread(str(tmp_path / "curves.png")).shape == (360, 1120, 3)
    card = (tmp_path / "face_vgg19.md").read_text()
    assert "width = 0.125" in card
    assert "| ferplus | 21 |" in card
    assert "from random weights" in card
    assert str(tmp_path) not in card
    assert "epoch   2" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_learns(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=40, sizes=(16,), ema_decay=0.9, dropout=0.0, augment=0.0)
    train_classifier(config, replace(files, out=tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.8


def test_the_mean_over_the_classes_may_choose_the_epoch(
    files: TrainingFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([(0.5, 0.9), (0.9, 0.5)] * 2)

    def scored(*_: object) -> dict[str, float | None]:
        accuracy, recall = next(figures)
        kinds = {"accuracy": accuracy, "recall": recall, "loss": 1.0}
        return {f"{kind}_{name}": value for kind, value in kinds.items() for name in LABEL_SETS}

    monkeypatch.setattr("streamfer.training.classifier.score", scored)
    for choose_by, epoch in (("accuracy", 2), ("recall", 1)):
        config = replace(TINY, choose_by=choose_by)  # type: ignore[arg-type]
        weights = train_classifier(config, replace(files, out=tmp_path / choose_by))
        card = weights.with_suffix(".md").read_text()
        assert f"Epoch {epoch} of 2" in card


def test_a_score_has_the_mean_recall_of_the_classes(files: TrainingFiles, tmp_path: Path) -> None:
    train_classifier(replace(TINY, epochs=1), replace(files, out=tmp_path))
    (row,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    # The drawn faces are spread evenly over the classes, so both are the same.
    assert row["recall_ferplus"] == pytest.approx(row["accuracy_ferplus"], abs=1e-4)
    assert row["mean_recall"] == pytest.approx(row["mean_accuracy"], abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "mse"},
        {"optimizer": "adamw"},
        {"logit_adjustment": 1.0, "margin": 0.5, "sampling": 0.5, "choose_by": "recall"},
    ],
)
def test_other_losses_draws_and_optimisers_run(
    files: TrainingFiles, tmp_path: Path, changes: dict[str, object]
) -> None:
    config = replace(TINY, epochs=1, learning_rate=1e-3, **changes)  # type: ignore[arg-type]
    assert train_classifier(config, replace(files, out=tmp_path)).exists()


def test_a_run_may_start_from_narrower_weights(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1)
    first = train_classifier(config, replace(files, out=tmp_path / "first"))
    wider = replace(config, width=0.1875)
    second = train_classifier(wider, replace(files, out=tmp_path / "second", initial=first))
    assert load_face_vgg(second).config.width == 0.1875
    card = (tmp_path / "second" / "face_vgg19.md").read_text()
    assert "from weights of width 0.125" in card
    assert "`), widened" in card


def test_a_teacher_takes_part_in_the_targets(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, sizes=(16,), ema_decay=0.0, label_smoothing=0.5)
    alone = replace(files, out=tmp_path / "alone")
    taught = replace(files, out=tmp_path / "taught", teacher=(train_classifier(config, alone),))
    card = train_classifier(config, taught).with_suffix(".md").read_text()
    assert "from random weights, taught by weights (SHA-256 `" in card
    assert not torch.equal(weights_of(alone.out), weights_of(taught.out))


def test_a_teacher_with_no_share_changes_nothing(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, sizes=(16,), label_smoothing=0.0)
    alone = replace(files, out=tmp_path / "alone")
    taught = replace(files, out=tmp_path / "taught", teacher=(train_classifier(config, alone),))
    train_classifier(config, taught)
    assert torch.equal(weights_of(alone.out), weights_of(taught.out))


def test_frozen_stages_stay_as_they_were(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, sizes=(32,), ema_decay=0.0)
    first = train_classifier(config, replace(files, out=tmp_path / "first"))
    frozen = replace(config, frozen_stages=2)
    second = train_classifier(frozen, replace(files, out=tmp_path / "second", initial=first))
    assert "widened" not in (tmp_path / "second" / "face_vgg19.md").read_text()
    before, after = load_face_vgg(first).trunk, load_face_vgg(second).trunk
    for old, new in zip(before[:13], after[:13], strict=True):
        for name, value in old.state_dict().items():
            assert torch.equal(value, new.state_dict()[name])
    for old, new in zip(before[14:16], after[14:16], strict=True):
        assert not torch.equal(old.weight, new.weight)


def test_frozen_stages_need_weights_to_start_from(files: TrainingFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need initial weights"):
        train_classifier(replace(TINY, frozen_stages=1), replace(files, out=tmp_path))


def test_copies_of_a_picture_are_held_out_together() -> None:
    faces = drawn_set(140)
    held_out, kept = split_held_out(concatenate([faces, faces]))
    assert len(held_out) + len(kept) == 280
    assert 0 < len(held_out) < 40
    outside = {picture_key(p) for p in held_out.pictures}
    assert not outside & {picture_key(p) for p in kept.pictures}


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"label_smoothing": 1.0},
        {"mixup": -0.1},
        {"mixup": 1.1},
        {"sampling": 1.1},
        {"sketches": 1.1},
        {"margin": -0.1},
        {"logit_adjustment": float("nan")},
        {"sizes": ()},
        {"frozen_stages": 5},
        {"frozen_stages": -1},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(TINY, **bad)  # type: ignore[arg-type]


def test_the_command_line_overrides_the_preset() -> None:
    given = "--data d --out o --preset full --epochs 7 --sizes 32,48 --teacher one two"
    config, files, seeds = parse_arguments(given.split())
    assert seeds is None
    assert config == replace(PRESETS["full"], epochs=7, sizes=(32, 48))
    teachers = (Path("one"), Path("two"))
    assert files == TrainingFiles(data=Path("d"), out=Path("o"), teacher=teachers)


def test_bad_data_ends_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--data", str(tmp_path / "absent"), "--out", str(tmp_path / "run")])
    assert code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no such file or folder" in error


def test_a_folder_that_cannot_be_made_ends_with_exit_code_4(
    files: TrainingFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = ["--data", str(files.data), "--landmarks", str(files.landmarks)]
    assert main([*arguments, "--out", str(tmp_path / "file" / "run")]) == 4
    assert "cannot make the folder" in capsys.readouterr().err


def test_training_needs_no_serving_stack(files: TrainingFiles) -> None:
    """The machine that trains has torch, numpy, OpenCV, pyarrow, safetensors and rich."""
    missing = ("av", "onnx", "onnxruntime", "openvino", "typer", "sklearn", "scipy", "skimage")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({missing!r}))\n"
        "import streamfer.training.classifier, streamfer.training.vgg.classifier_options\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_curves_of_one_epoch_can_be_drawn() -> None:
    from streamfer.training.runs.curves import draw_learning_curves

    keys = ("loss", "loss_ferplus", "loss_fer2013", "accuracy_ferplus", "accuracy_fer2013")
    picture = draw_learning_curves([dict.fromkeys(keys, 0.5)])
    assert picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def test_a_set_without_validation_faces_is_split(files: TrainingFiles, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=160)
    alone = replace(files, data=files.data / "train-0.parquet", out=tmp_path, validation_share=0.2)
    card = train_classifier(replace(TINY, epochs=1), alone, console).with_suffix(".md").read_text()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    how = "14 of 70 training faces, whole faces chosen with seed 0, no near-duplicate on the other"
    for text in (card, said):
        assert how in text
    assert "| ferplus | 14 |" in card
    assert "| validation | " in card
    assert "training: 56 faces" in said


def test_the_data_of_a_tree_are_recorded(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", [(f"{i % 3}/a-{i}.png", i % 3) for i in range(30)])
    (tree / "1" / "broken.png").write_bytes(b"no picture")
    files = TrainingFiles(tree, tmp_path / "run", coding="fer2013")
    config = replace(TINY, epochs=1, batch_size=8, sizes=(16,))
    card = train_classifier(config, files).with_suffix(".md").read_text()
    assert "classes: 0 → angry, 1 → disgust, 2 → fear" in card
    assert "passed over 1: the image cannot be decoded (1/broken.png)" in card
    with pytest.raises(ConfigError, match="--strict"):
        train_classifier(config, replace(files, strict=True))


def test_one_seed_is_one_file(files: TrainingFiles, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, sizes=(16,))
    first, again, other = (
        train_classifier(replace(config, seed=seed), replace(files, out=tmp_path / name))
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_weights_say_which_heads_they_have_and_what_they_learned_from(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", [(f"happy/a-{i}.png", 3) for i in range(20)])
    config = replace(TINY, epochs=1, batch_size=8, sizes=(16,))
    weights = train_classifier(config, TrainingFiles(tree, tmp_path / "run"))
    assert load_face_vgg(weights).heads == ("fer2013",)
    card = weights.with_suffix(".md").read_text()
    assert "Trained: fer2013." in card
    assert "| ferplus |" not in card
    hashes = read_training_hashes(weights)
    assert hashes is not None
    learned = read_splits(tree).training
    assert np.array_equal(hashes, hash_pictures(learned.pictures))
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert row["accuracy_ferplus"] is None
    assert row["mean_accuracy"] == row["accuracy_fer2013"]


def test_several_seeds_have_a_mean_and_a_sample_deviation(
    files: TrainingFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "--width 0.05 --epochs 1 --batch-size 14 --sizes 16 --workers 0 --seed 4 --seeds 2"
    where = ["--data", str(files.data), "--out", str(tmp_path)]
    assert main([*where, "--landmarks", str(files.landmarks), *small.split()]) == 0
    figures = json.loads((tmp_path / "seeds.json").read_text())
    values = list(figures["per_seed"].values())
    assert list(figures["per_seed"]) == ["4", "5"]
    assert figures["mean"] == pytest.approx(np.mean(values))
    assert figures["sd"] == pytest.approx(np.std(values, ddof=1))
    assert "2 seeds: accuracy" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("seed-*")} == {"seed-4", "seed-5"}
    with pytest.raises(ConfigError, match="--seeds: at least 1"):
        parse_arguments([*where, "--seeds", "0"])


def test_a_run_that_comes_apart_ends_and_keeps_what_it_had(
    files: TrainingFiles, tmp_path: Path
) -> None:
    config = replace(TINY, epochs=2, learning_rate=1e30)
    with pytest.raises(ConfigError, match=r"come apart.* lower --learning-rate"):
        train_classifier(config, replace(files, out=tmp_path))
    assert not list(tmp_path.glob("*.safetensors"))
