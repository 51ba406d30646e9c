"""One training run of the face classifier: its settings, its files, its state, its epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.labels import LABEL_SETS, LABELS, in_order
from streamfer.models.vgg import NUM_STAGES, FaceVGG, FaceVGGConfig, Storage, first_stages
from streamfer.training.faces.augment import AugmentConfig
from streamfer.training.faces.batches import EpochBatches, TrainingFaces, load_batches
from streamfer.training.reading import Coding, Reading
from streamfer.training.runs.command import pick_device, use_bf16
from streamfer.training.runs.run_state import AveragedModel
from streamfer.training.splits import VALIDATION_SHARE, Splits, read_splits
from streamfer.training.vgg.objective import (
    Loss,
    distribution_loss,
    input_size_of_epoch,
    learning_rate_factor,
)
from streamfer.training.vgg.rare import RareClasses, face_weights
from streamfer.training.vgg.teaching import Teachers
from streamfer.training.vgg.widen import widened


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """What a run reads and where it writes."""

    data: Path
    """Training faces: a Parquet or CSV file, a folder of Parquet files, or an image tree."""
    out: Path
    """Folder of the run."""
    validation: Path | None = None
    """Faces that choose the epoch; None takes the validation split of `data`, or a part of its
    training faces."""
    landmarks: Path | None = None
    """NPZ file of the landmark cache; None detects and forgets."""
    initial: Path | None = None
    """Weights to start from, widened where the run is wider; None starts from scratch."""
    teacher: tuple[Path, ...] = ()
    """Weights whose mean answers get the smoothed part of both targets; none: that of the FER2013
    target goes to what the votes make likely."""
    resume: bool = False
    """Go on from `out`/last.pt where it exists."""
    validation_share: float = VALIDATION_SHARE
    """Part of the training faces that chooses, where the data have no validation faces."""
    coding: Coding | None = None
    """Whose class numbers the folders are called by."""
    subjects: str | None = None
    """Where it stands who is in a picture, see `Reading`."""
    strict: bool = False
    """Stop at what would be passed over in the data."""

    @property
    def checkpoint(self) -> Path:
        """The state after the last whole epoch, from which a run goes on."""
        return self.out / "last.pt"

    def read(self, seed: int) -> Splits:
        """Reads the faces that teach and those that choose.

        Raises:
            ConfigError: the data are wrong, or faces would stand on both sides.
        """
        reading = Reading(self.coding, self.subjects, self.strict)
        return read_splits(self.data, self.validation, reading, self.validation_share, seed)


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """One training run."""

    width: float = 0.5
    """Multiplies VGG19's channel counts."""
    dropout: float = 0.5
    epochs: int = 40
    max_seconds: float = 0.0
    """It ends with the epoch in which this time is over, the schedule in step; 0: no limit."""
    batch_size: int = 64
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.05
    """Peak; SGD with Nesterov momentum 0.9."""
    weight_decay: float = 5e-4
    warmup: float = 1.0
    """Epochs of warm-up."""
    cooldown: float = 0.5
    """Fraction of the run over which the learning rate falls to zero."""
    loss: Loss = "ce"
    label_smoothing: float = 0.1
    augment: float = 1.0
    """Strength of the augmentation; a run too short to overfit learns faster with less."""
    sketches: float = AugmentConfig().sketch
    """Chance that a face is shown as a pencil drawing, at full strength of the augmentation."""
    mixup: float = 0.0
    """a and b of the beta distribution of the shares in which two faces are laid over each other;
    for runs long enough to overfit."""
    logit_adjustment: float = 0.0
    """For rare classes, see `RareClasses`; 1 makes up for the sizes of the classes."""
    margin: float = 0.0
    """For rare classes, see `RareClasses`."""
    sampling: float = 0.0
    """For rare classes, see `face_weights`: 1 shows every class as often."""
    choose_by: Literal["accuracy", "recall"] = "accuracy"
    """What chooses the epoch: accuracy, or recall, its mean over the classes."""
    ema_decay: float = 0.999
    frozen_stages: int = 0
    """The first stages, of five, whose weights and statistics stay as in the initial weights."""
    sizes: tuple[int, ...] = (32, 40, 48)
    """Sides in pixels at which equal parts of the run are trained; the last one is served."""
    storage: Storage = "float16"
    """How the weights are stored: `int8` for networks wider than half."""
    seed: int = 0
    device: str = "cpu"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 where the hardware multiplies it."""
    workers: int = 1
    """Processes that augment."""
    threads: int = 0
    """Torch's CPU threads; 0 leaves its default."""

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ConfigError("sizes must name at least one side in pixels")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name.replace('_', ' ')} must be at least 1")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(f"label smoothing {self.label_smoothing} is not in [0, 1)")
        for name in ("augment", "sketches", "mixup", "sampling"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} {getattr(self, name)} is not in [0, 1]")
        for name in ("logit_adjustment", "margin", "max_seconds"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name.replace('_', ' ')} {getattr(self, name)} is below 0")
        if not 0 <= self.frozen_stages < NUM_STAGES:
            raise ConfigError(f"frozen stages {self.frozen_stages} are not 0 to {NUM_STAGES - 1}")

    def network(self) -> FaceVGGConfig:
        """Shape of the network that the run trains."""
        return FaceVGGConfig(self.width, self.sizes[-1], self.dropout)


class ClassifierRun:
    """The state of a run: network, average, optimiser, position.

    Args:
        config: the run.
        faces: what it learns from.
        initial: a trained network to start from, widened where the run's is wider; None starts
            from random weights.
        teachers: trained networks whose answers take the smoothed part of the targets.
        expressions: those of LABELS that it answers, beside those that `initial` was taught.

    Raises:
        ConfigError: there is no such device, or nothing to start from whose stages could stay.
    """

    def __init__(
        self,
        config: ClassifierConfig,
        faces: TrainingFaces,
        initial: FaceVGG | None = None,
        teachers: Sequence[FaceVGG] = (),
        expressions: Sequence[str] = LABELS,
    ) -> None:
        if config.frozen_stages and initial is None:
            raise ConfigError("frozen stages need initial weights: random ones learn nothing")
        torch.manual_seed(config.seed)
        self.config = config
        self.faces = faces
        self.device = pick_device(config.device)
        shape = config.network()
        model = widened(initial, shape, config.seed) if initial else FaceVGG(shape)
        targets = (faces.ferplus, faces.fer2013)
        model.heads = tuple(n for n, t in zip(LABEL_SETS, targets, strict=True) if t.any())
        model.expressions = in_order((*expressions, *(initial.expressions if initial else ())))
        self.model = model.to(self.device)
        self._frozen = first_stages(self.model, config.frozen_stages).requires_grad_(False)
        self.average = AveragedModel(self.model, config.ema_decay)
        self.optimizer = _make_optimizer(config, self.model)
        self.epoch = 0
        self.best_accuracy = -1.0
        self._rare = [
            RareClasses(target, config.logit_adjustment, config.margin, self.device)
            for target in targets
        ]
        self._bf16 = use_bf16(config.precision, self.device)
        share = config.label_smoothing
        self._teachers = Teachers(teachers, share, self.device) if teachers else None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch."""
        return len(self._batches(epoch=0))

    def train_epoch(self, advance: Callable[[], None], late: float = 0.0) -> float:
        """Trains one epoch and returns its mean loss; `late` is the share of the run's time that is
        over, which moves the schedule on where the epochs alone would not."""
        config = self.config
        torch.manual_seed(config.seed * 100_003 + self.epoch)
        least = late * config.epochs
        size = input_size_of_epoch(max(self.epoch, int(least)), config.epochs, config.sizes)
        self.model.input_size = self.average.model.input_size = size
        self.model.train()
        self._frozen.eval()
        batches = self._batches(self.epoch)
        total = torch.zeros((), device=self.device)
        loader = load_batches(batches, config.workers, pinned=self.device.type == "cuda")
        for step, batch in enumerate(loader):
            position = max(self.epoch + step / len(batches), least)
            factor = learning_rate_factor(position, config.epochs, config.warmup, config.cooldown)
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
            total += self._step(*(part.to(self.device, non_blocking=True) for part in batch))
            advance()
        self.epoch += 1
        return float(total) / len(batches)

    def _batches(self, epoch: int) -> EpochBatches:
        config = self.config
        return EpochBatches(
            self.faces,
            AugmentConfig(sketch=config.sketches).scaled(config.augment),
            config.batch_size,
            config.seed,
            epoch,
            config.mixup,
            face_weights(self.faces.ferplus, self.faces.fer2013, config.sampling),
        )

    def _step(self, crops: Tensor, ferplus: Tensor, fer2013: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            if self._teachers:
                ferplus, fer2013 = self._teachers.teach(crops, ferplus, fer2013)
            logits = self.model(crops)
        loss = torch.zeros((), device=self.device)
        for answer, target, rare in zip(logits, (ferplus, fer2013), self._rare, strict=True):
            adjusted = rare.adjusted(answer.float(), target)
            loss = loss + distribution_loss(adjusted, target, self.config.loss)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.average.update(self.model)
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on exactly."""
        return {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "best_accuracy": self.best_accuracy,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "average_updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any], where: Path) -> None:
        """Takes up the state of an earlier run.

        Raises:
            ConfigError: that run had other settings; says which.
        """
        free = {"storage", "device", "precision", "workers", "threads", "max_seconds"}
        mine, theirs = asdict(self.config), state.get("config", {})
        changed = [k for k in mine if k not in free and mine[k] != theirs.get(k)]
        if changed:
            name = changed[0]
            raise ConfigError(
                f"{where}: was trained with {name} {theirs.get(name)}, not {mine[name]};"
                " resume with the same settings"
            )
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.average.updates = state["average_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.best_accuracy = state["best_accuracy"]


def _make_optimizer(config: ClassifierConfig, model: FaceVGG) -> torch.optim.Optimizer:
    learned = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in learned if p.ndim >= 2]
    free = [p for p in learned if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
