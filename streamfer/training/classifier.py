"""Training of the face classifier: `python -m streamfer.training.classifier --help`.

Needs torch, numpy, OpenCV, pyarrow, safetensors and rich, and a detector only for pictures that
the landmark cache lacks.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streamfer.errors import ConfigError, OutputError, StreamferError
from streamfer.evaluation.duplicates import Hashes
from streamfer.evaluation.training_hashes import learned_hashes
from streamfer.labels import LABEL_SETS
from streamfer.models.shipped import weights_sha256
from streamfer.models.vgg import load_face_vgg, save_face_vgg
from streamfer.training.faces.batches import training_faces
from streamfer.training.faces.data import LabelledFaces, taught_expressions
from streamfer.training.faces.landmarks import LandmarkCache, open_landmarks, picture_key
from streamfer.training.repeated import train_seeds
from streamfer.training.runs.command import pick_device, show_faceless, show_splits
from streamfer.training.runs.curves import draw_learning_curves
from streamfer.training.runs.loop import check_sound
from streamfer.training.runs.run_state import MetricsFile, load_checkpoint, save_checkpoint
from streamfer.training.splits import Splits
from streamfer.training.vgg.card import Learned, write_card
from streamfer.training.vgg.classifier_options import parse_arguments
from streamfer.training.vgg.classifier_run import ClassifierConfig, ClassifierRun, TrainingFiles
from streamfer.training.vgg.scoring import EvaluationFaces, calibrate, evaluation_faces, score
from streamfer.training.whole_file import make_folder
from streamfer.vision.overlay.sheet import write_png

_HELD_OUT_OF = 32
"""One picture in this many of the training data is kept back to fit the temperatures."""


def train_classifier(
    config: ClassifierConfig,
    files: TrainingFiles,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Trains, and keeps the epoch that does best on the validation faces.

    Writes to `files.out`: `config.json`, `metrics.jsonl`, `curves.png`, `last.pt` (to resume
    from) and `face_vgg19.safetensors` with its card: the averaged weights of the best epoch,
    calibrated on held-out training faces.

    Args:
        config: the run.
        files: what it reads and writes.
        console: shows progress and a line per epoch; None is silent.
        clock: seconds, monotonic.

    Returns:
        The path of the weights.

    Raises:
        ConfigError: the data, the settings or the checkpoint are wrong.
        EngineError: the initial weights or the teacher's are missing or broken.
        OutputError: the folder cannot be written.
    """
    _limit_threads(config.threads)
    pick_device(config.device)  # what is wrong with it is said before anything is read
    splits, cache = _read(files, config.seed, console)
    held_out, kept = split_held_out(splits.training)
    run, began_with = _begin_or_resume(config, files, splits, kept, cache)
    calibration, exam = (evaluation_faces(f, cache) for f in (held_out, splits.validation))
    hashes = learned_hashes(splits.training.pictures, files.initial)
    weights = files.out / "face_vgg19.safetensors"
    metrics = _begin_folder(files.out, run)
    with _progress(run, console) as progress:
        advance = partial(progress.advance, progress.task_ids[0])
        for late in _until_over(run, config, clock):
            row = _train_and_score(run, exam, advance, late)
            if (figure := row[f"mean_{config.choose_by}"]) > run.best_accuracy:
                run.best_accuracy = figure
                _keep(run, calibration, weights, hashes)
            metrics.append(row)
            save_checkpoint(files.checkpoint, run.state() | {"began_with": began_with})
            _draw(metrics, files.out / "curves.png")
            if console:
                console.print(_line(row))
    learned = Learned(files.data.name, splits, len(kept), files.initial, files.teacher)
    write_card(weights, run, metrics.rows, learned, exam)
    return weights


def _read(files: TrainingFiles, seed: int, console: Console | None) -> tuple[Splits, LandmarkCache]:
    """The faces and where theirs are found, shown as they were read."""
    splits = files.read(seed)
    if console:
        show_splits(splits, console)
    cache = open_landmarks(files.landmarks, splits.training.pictures + splits.validation.pictures)
    if console:
        for faces in (splits.training, splits.validation):
            show_faceless(faces, cache, console)
    return splits, cache


def _until_over(
    run: ClassifierRun, config: ClassifierConfig, clock: Callable[[], float]
) -> Iterator[float]:
    """Before every epoch, what part of the time is over; 0 where it is not limited."""
    began = clock()
    while run.epoch < config.epochs:
        late = (clock() - began) / config.max_seconds if config.max_seconds else 0.0
        if late >= 1:
            return
        yield late


def _limit_threads(threads: int) -> None:
    cv2.setNumThreads(1)
    if threads:
        torch.set_num_threads(threads)


def _begin_folder(path: Path, run: ClassifierRun) -> MetricsFile:
    """Makes the folder of a run, and opens its metrics at its epoch."""
    make_folder(path)
    (path / "config.json").write_text(json.dumps(asdict(run.config), indent=2) + "\n", "utf-8")
    return MetricsFile(path / "metrics.jsonl", keep=run.epoch)


def _begin_or_resume(
    config: ClassifierConfig,
    files: TrainingFiles,
    splits: Splits,
    faces: LabelledFaces,
    cache: LandmarkCache,
) -> tuple[ClassifierRun, dict[str, str]]:
    """A run at its beginning, or where an earlier one with the same beginning stopped, and the
    digests of what it began with."""
    initial = load_face_vgg(files.initial) if files.initial else None
    teachers = [load_face_vgg(path) for path in files.teacher]
    began_with = _beginning(files, splits)
    checkpoint = files.checkpoint
    earlier = load_checkpoint(checkpoint) if files.resume and checkpoint.exists() else None
    if earlier is not None:
        _refuse_other_beginning(earlier, began_with, checkpoint)
    # The teachers' part is added batch by batch.
    smoothing = 0.0 if teachers else config.label_smoothing
    taught = taught_expressions(splits.training)
    run = ClassifierRun(config, training_faces(faces, cache, smoothing), initial, teachers, taught)
    if earlier is not None:
        run.restore(earlier, checkpoint)
    return run, began_with


def _beginning(files: TrainingFiles, splits: Splits) -> dict[str, str]:
    """SHA-256 of what a run began with: a resumed one must have begun with the same."""
    return {
        "initial": _digests([files.initial] if files.initial else []),
        "teacher": _digests(files.teacher),
        "data": _digest_of_faces(splits.training, splits.validation),
    }


def _digests(files: Sequence[Path]) -> str:
    return " ".join(weights_sha256(path) for path in files) or "none"


def _digest_of_faces(*parts: LabelledFaces) -> str:
    """SHA-256 (hex) of pictures and labels, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"".join(picture_key(picture) for picture in part.pictures))
        digest.update(part.classes.tobytes() + part.votes.tobytes())
    return digest.hexdigest()


def _refuse_other_beginning(state: dict[str, Any], mine: dict[str, str], where: Path) -> None:
    theirs = state.get("began_with", {})
    changed = [name for name in mine if mine[name] != theirs.get(name)]
    if changed:
        name = changed[0]
        if name == "data":
            raise ConfigError(
                f"{where}: was trained on other faces; resume with the same data, split and seed"
            )
        raise ConfigError(
            f"{where}: was trained with other --{name} weights (SHA-256 {theirs.get(name)}, not"
            f" {mine[name]}); resume with the same ones"
        )


def split_held_out(faces: LabelledFaces) -> tuple[LabelledFaces, LabelledFaces]:
    """(held out, kept): by content, so that copies of a picture stay on one side."""
    bucket = np.array([picture_key(p)[0] % _HELD_OUT_OF for p in faces.pictures])
    return faces.subset(np.flatnonzero(bucket == 0)), faces.subset(np.flatnonzero(bucket))


def _train_and_score(
    run: ClassifierRun, exam: EvaluationFaces, advance: Callable[[], None], late: float
) -> dict[str, Any]:
    started = time.monotonic()
    loss = run.train_epoch(advance, late)
    check_sound([loss], run.average.model)
    scores = score(run.average.model, exam)
    return {
        "epoch": run.epoch,
        "input_size": run.model.input_size,
        "loss": round(loss, 5),
        **scores,
        **{f"mean_{kind}": _mean_of_heads(scores, kind) for kind in ("accuracy", "recall")},
        "seconds": round(time.monotonic() - started, 1),
    }


def _mean_of_heads(scores: Mapping[str, float | None], kind: str) -> float:
    # Only heads that are trained, and have faces to be scored on, decide.
    known = [scores[f"{kind}_{name}"] for name in LABEL_SETS]
    values = [value for value in known if value is not None]
    return round(sum(values) / len(values), 5) if values else 0.0


def _keep(
    run: ClassifierRun, calibration: EvaluationFaces, weights: Path, hashes: Hashes | None
) -> None:
    calibrate(run.average.model, calibration)
    notes = {"epoch": str(run.epoch)}
    save_face_vgg(run.average.model, weights, notes, run.config.storage, hashes)
    run.average.model.temperature.fill_(1.0)


def _progress(run: ClassifierRun, console: Console | None) -> Progress:
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console, disable=console is None, transient=True)
    steps = run.steps_per_epoch
    progress.add_task("", total=steps * run.config.epochs, completed=steps * run.epoch)
    return progress


def _line(row: dict[str, Any]) -> str:
    return (
        f"epoch {row['epoch']:3d}  {row['input_size']} px  loss {row['loss']:.3f}  "
        f"FER+ {_shown(row['accuracy_ferplus'])}  FER2013 {_shown(row['accuracy_fer2013'])}  "
        f"{row['seconds']:.0f} s"
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _draw(metrics: MetricsFile, path: Path) -> None:
    write_png(draw_learning_curves(metrics.rows), path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the training from the command line; returns the exit code."""
    try:
        config, files, seeds = parse_arguments(arguments)
        if seeds is not None:
            figures = train_seeds(train_classifier, config, files, seeds, Console())
            sd = "–" if figures["sd"] is None else f"{figures['sd']:.4f}"
            print(f"{seeds} seeds: accuracy {figures['mean']:.4f}, sample SD {sd}")
            return 0
        weights = train_classifier(config, files, Console())
    except StreamferError as error:
        print(f"streamfer: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"streamfer: {error.filename}: {error.strerror}", file=sys.stderr)
        return OutputError.exit_code
    except KeyboardInterrupt:
        print("streamfer: stopped; --resume goes on from the last whole epoch", file=sys.stderr)
        return 130
    print(weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
