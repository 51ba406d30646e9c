"""Training heads on the features of frozen networks, and holding two kinds against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streamfer.evaluation.mcnemar import PairedComparison, compare_paired
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.fused import FusedHeads, FusedNetwork
from streamfer.training.faces.augment import AugmentConfig
from streamfer.training.faces.batches import EpochBatches, load_batches, training_faces
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache
from streamfer.training.vgg.objective import distribution_loss, fit_temperature
from streamfer.types import UInt8Array

Heads = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Features (N, C) and codes (N, num_ws, w_dim) to logits of `ferplus` and `fer2013`, (N, 7)."""
_BATCH = 256
"""Faces that pass through the frozen networks together."""


@dataclass(frozen=True, slots=True)
class FusedTraining:
    """A recipe."""

    views: int = 6
    """Augmented views of every face that pass through the frozen networks."""
    epochs: int = 8
    """Passes of the heads over all views."""
    batch_size: int = 512
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    dropout: float = 0.5
    workers: int = 1
    """Processes that augment."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBank:
    """What the frozen networks say of many faces."""

    features: Tensor = field(repr=False)
    """(n, C) float16."""
    ws: Tensor = field(repr=False)
    """(n, num_ws, w_dim) float16."""
    targets: tuple[Tensor, Tensor] = field(repr=False)
    """(n, 7) float32 each, of `ferplus` and `fer2013`."""

    @property
    def heads(self) -> tuple[LabelSet, ...]:
        """The label sets that faces have targets for."""
        pairs = zip(LABEL_SETS, self.targets, strict=True)
        return tuple(name for name, target in pairs if target.any())


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Faces that heads are held against, and their classes."""

    features: Tensor = field(repr=False)
    ws: Tensor = field(repr=False)
    classes: tuple[Tensor, Tensor] = field(repr=False)
    """(n,) int64 each; NO_LABEL where unknown."""


def collect_features(
    network: FusedNetwork,
    faces: LabelledFaces,
    cache: LandmarkCache,
    config: FusedTraining,
    device: torch.device,
    advance: Callable[[int], None],
) -> FeatureBank:
    """Passes augmented views of every face through the frozen networks."""
    drawn_from = training_faces(faces, cache, config.label_smoothing)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for view in range(config.views):
        batches = EpochBatches(drawn_from, AugmentConfig(), _BATCH, config.seed, view)
        for crops, ferplus, fer2013 in load_batches(batches, config.workers, device.type == "cuda"):
            with torch.inference_mode():
                features, ws = network.describe(crops.to(device, non_blocking=True))
            targets = ferplus.to(device), fer2013.to(device)
            parts.append((features.half(), ws.half(), *targets))
            advance(len(crops))
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    return FeatureBank(columns[0], columns[1], (columns[2], columns[3]))


@torch.inference_mode()
def make_exam(
    network: FusedNetwork, faces: LabelledFaces, crops: UInt8Array, device: torch.device
) -> Exam:
    """Passes aligned faces, as they are, through the frozen networks."""
    parts = [
        network.describe(torch.from_numpy(crops[i : i + _BATCH]).to(device))
        for i in range(0, len(crops), _BATCH)
    ]
    features, ws = (torch.cat(column) for column in zip(*parts, strict=True))
    ferplus, fer2013 = majority_class(faces.votes), faces.classes
    return Exam(features, ws, (torch.from_numpy(ferplus), torch.from_numpy(fer2013)))


def train_heads(bank: FeatureBank, heads: FusedHeads, config: FusedTraining) -> FusedHeads:
    """Trains heads on a bank; AdamW, cosine to zero."""
    torch.manual_seed(config.seed)
    optimizer = torch.optim.AdamW(
        heads.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    n = len(bank.features)
    count = max(n // config.batch_size, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs * count)
    heads.train()
    for _ in range(config.epochs):
        order = torch.randperm(n).to(bank.features.device)
        for rows in order.tensor_split(count):
            logits = heads(bank.features[rows].float(), bank.ws[rows].float())
            losses = [
                distribution_loss(answer, target[rows], "ce")
                for answer, target in zip(logits, bank.targets, strict=True)
            ]
            optimizer.zero_grad()
            torch.autograd.backward(losses[0] + losses[1])
            optimizer.step()
            schedule.step()
    return heads.eval()


@torch.inference_mode()
def calibrate(heads: FusedHeads, exam: Exam) -> None:
    """Sets the temperatures from faces that nothing was trained on."""
    for index, logits in enumerate(heads(exam.features, exam.ws)):
        known = exam.classes[index] != NO_LABEL
        answers = logits.cpu()[known]
        heads.temperature[index] = fit_temperature(answers, exam.classes[index][known])


@torch.inference_mode()
def compare_heads(plain: Heads, fused: Heads, exam: Exam) -> dict[LabelSet, PairedComparison]:
    """Heads without and with the latent on the same faces, per label set, with McNemar's test."""
    answers = [[x.argmax(dim=1).cpu() for x in h(exam.features, exam.ws)] for h in (plain, fused)]
    comparison: dict[LabelSet, PairedComparison] = {}
    for index, name in enumerate(LABEL_SETS):
        known = exam.classes[index] != NO_LABEL
        truth = exam.classes[index][known].numpy()
        a, b = (answer[index][known].numpy() for answer in answers)
        comparison[name] = compare_paired(a, b, truth)
    return comparison
