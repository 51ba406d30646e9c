"""The runs behind the tables of Latent-PER: which there are, in what order, what they answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from streamfer.errors import ConfigError
from streamfer.evaluation.latent_exams import Exams
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.models.backbones.backbone import BackboneName
from streamfer.models.latent_per import Latent, LatentPER
from streamfer.training.backbones.exam import exam_logits
from streamfer.training.whole_file import whole_file
from streamfer.types import FloatArray


@dataclass(frozen=True, slots=True)
class Arm:
    """One classifier of a table."""

    backbone: BackboneName
    latent: Latent
    seed: int

    @property
    def folder(self) -> str:
        """What its run's folder is called."""
        return f"{self.backbone}-{self.latent}-seed{self.seed}"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one classifier answered."""

    probs: dict[str, FloatArray] = field(repr=False)
    """(n, 7) float32 by exam."""
    indices: int
    """Of the code, how many it reads."""


def planned(
    backbones: Sequence[BackboneName],
    once: Sequence[BackboneName],
    latents: Sequence[Latent],
    seeds: int,
) -> Iterator[Arm]:
    """All arms, in the order in which they are trained.

    All backbones with the first seed, then with the next: a table of one seed comes early. Those
    that are trained once come last.
    """
    for seed in range(seeds):
        for backbone in backbones:
            yield from (Arm(backbone, latent, seed) for latent in latents)
    for backbone in once:
        yield from (Arm(backbone, latent, 0) for latent in latents)


def answer_exams(network: LatentPER, exams: Exams, device: torch.device, path: Path) -> None:
    """Lets a classifier sit the exams, and keeps its answers.

    Raises:
        OutputError: the file cannot be written.
    """
    probs = {
        name: softmax(exam_logits(network, faces, device) / float(network.temperature), axis=1)
        for name, faces in exams.faces.items()
    }
    indices = int(network.mask.sum()) if network.reads_codes else 0
    with whole_file(path) as file:
        np.savez(file, exams=np.str_(exams.sha256), indices=indices, **probs)


def read_answers(path: Path, exams: Exams) -> Answers | None:
    """What `answer_exams` kept; None where there is nothing, or it is of other exams.

    Raises:
        ConfigError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["exams"]) != exams.sha256:
                return None
            probs = {name: arrays[name].astype(np.float32) for name in exams.faces}
            return Answers(probs, int(arrays["indices"]))
    except NO_ARRAYS as error:
        raise ConfigError(f"{path}: damaged; delete it: {error}") from error
