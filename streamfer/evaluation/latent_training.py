"""Trains what the tables of Latent-PER are made of, and collects what is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamfer.evaluation.latent_exams import Exams
from streamfer.evaluation.latent_runs import Answers, Arm, answer_exams, read_answers
from streamfer.models.directions import Directions
from streamfer.models.latent_per import load_latent_per
from streamfer.training.backbone import train_backbone, weights_name
from streamfer.training.backbones.run import BackboneRunConfig
from streamfer.training.backbones.shared_trunk import (
    SharedTrunk,
    SharedTrunkRun,
    describe_views,
)
from streamfer.training.backbones.teaching_faces import TeachingFaces
from streamfer.training.backbones.views import CodeReader
from streamfer.training.whole_file import make_folder

Report = Callable[[Arm, str], None]
"""Told of an arm's every epoch, and that it is `done`."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What the tables are made of."""

    arms: tuple[Arm, ...]
    recipe: BackboneRunConfig
    """Of all arms, but for what an arm says of itself."""
    shared_trunk: bool
    """Whether all arms of a backbone and seed read the descriptions of one trained without codes,
    and learn their two layers alone."""
    faces: TeachingFaces
    exams: Exams
    reader: CodeReader
    directions: Directions = field(repr=False)
    runs: Path
    """Holds a folder for every arm."""

    def config(self, arm: Arm) -> BackboneRunConfig:
        """The run of an arm."""
        return replace(self.recipe, backbone=arm.backbone, latent=arm.latent, seed=arm.seed)

    def answers_path(self, arm: Arm) -> Path:
        """Where an arm's answers are kept."""
        name = f"{arm.folder}-shared" if self.shared_trunk else arm.folder
        return self.runs / name / "answers.npz"


def collect(tables: Tables) -> dict[Arm, Answers]:
    """The answers of all arms that are trained; weights that were not examined are now.

    Raises:
        ConfigError: a file is damaged.
        EngineError: weights are damaged.
    """
    answered: dict[Arm, Answers] = {}
    for arm in tables.arms:
        path = tables.answers_path(arm)
        weights = path.with_name(weights_name(tables.config(arm)))
        answers = read_answers(path, tables.exams)
        if answers is None and weights.exists():
            network = load_latent_per(weights).network.to(tables.reader.device)
            answer_exams(network, tables.exams, tables.reader.device, path)
            answers = read_answers(path, tables.exams)
        if answers is not None:
            answered[arm] = answers
    return answered


def train_missing(tables: Tables, answered: dict[Arm, Answers], report: Report) -> None:
    """Trains the arms that are missing, in their order, each from where it stopped.

    Args:
        tables: what they are made of.
        answered: gets the answers of every arm once it is trained.
        report: told of every epoch, and of every arm that is `done`.

    Raises:
        ConfigError, EngineError, OutputError: as `train_backbone`.
    """
    trunks = _Trunks(tables, report)
    for arm in tables.arms:
        if arm in answered:
            continue
        if tables.shared_trunk:
            _train_layers(tables, arm, trunks.of(arm))
        else:
            _train(tables, arm, report)
        answered |= collect(replace(tables, arms=(arm,)))
        report(arm, "done")


def _train(tables: Tables, arm: Arm, report: Report) -> Path:
    """The weights of an arm with a backbone of its own."""
    return train_backbone(
        tables.config(arm),
        tables.faces,
        tables.reader,
        tables.directions,
        tables.runs / arm.folder,
        resume=True,
        report=lambda row: report(arm, _line(row)),
    )


def _train_layers(tables: Tables, arm: Arm, trunk: SharedTrunk) -> None:
    """Trains an arm on a shared trunk and keeps its answers; that takes seconds."""
    config, reader = tables.config(arm), tables.reader
    run = SharedTrunkRun(
        config, trunk, tables.faces, reader.network, tables.directions, reader.device
    )
    while run.epoch < config.epochs:
        run.train_epoch()
    run.calibrate()
    path = tables.answers_path(arm)
    make_folder(path.parent)
    answer_exams(run.average.model, tables.exams, reader.device, path)


class _Trunks:
    """Trained trunks, one at a time: the arms of one come one after the other."""

    def __init__(self, tables: Tables, report: Report) -> None:
        self._tables = tables
        self._report = report
        self._arm: Arm | None = None
        self._trunk: SharedTrunk | None = None

    def of(self, arm: Arm) -> SharedTrunk:
        """The trunk of an arm, trained first where it is missing."""
        without = replace(arm, latent="none")
        if self._trunk is None or self._arm != without:
            tables = self._tables
            # One that is trained is not trained again, but held against what is asked for.
            network = load_latent_per(_train(tables, without, self._report)).network
            views, device = min(tables.recipe.views, tables.recipe.epochs), tables.reader.device
            self._trunk = describe_views(network, tables.faces, views, device)
            self._arm = without
        return self._trunk


def _line(row: dict[str, Any]) -> str:
    accuracy = row["accuracy"]
    shown = "–" if accuracy is None else f"{accuracy:.4f}"
    return f"epoch {row['epoch']}, loss {row['loss']:.3f}, accuracy {shown}, {row['seconds']:.0f} s"
