"""One training run of a classifier on a backbone: its settings, its state, its epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.errors import ConfigError
from streamfer.labels import NUM_LABELS, LabelSet
from streamfer.models.backbones.backbone import BackboneConfig, BackboneName, Stem
from streamfer.models.backbones.published_dan import PUBLISHED_SHAPE, load_published_dan
from streamfer.models.directions import Directions
from streamfer.models.encoder import Encoder
from streamfer.models.latent_per import Latent, LatentPER, LatentPERConfig, latent_mask
from streamfer.training.backbones.exam import exam_logits
from streamfer.training.backbones.objectives import make_objective
from streamfer.training.backbones.teaching_faces import TeachingFaces
from streamfer.training.runs.run_state import AveragedModel
from streamfer.training.vgg.objective import (
    Loss,
    distribution_loss,
    fit_temperature,
    learning_rate_factor,
)

_LEAST_SPREAD = 1e-6
"""Of codes that are all the same, as an encoder's are that was never trained."""
_FREE = frozenset({"threads"})
"""Settings that may change between a run and its continuation."""


@dataclass(frozen=True, slots=True)
class BackboneRunConfig:
    """One training run; both arms of a comparison differ in `latent` alone."""

    backbone: BackboneName = "resnet18"
    latent: Latent = "mean"
    loss: Loss = "ce"
    stem: Stem = "small"
    width: float = 0.25
    input_size: int = 48
    hidden: int = 128
    dropout: float = 0.3
    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 0.05
    """Peak; SGD with Nesterov momentum 0.9."""
    weight_decay: float = 5e-4
    warmup: float = 1.0
    """Epochs of warm-up."""
    cooldown: float = 0.5
    """Fraction of the run over which the learning rate falls to zero."""
    views: int = 8
    """Augmented views of every face; epochs take them in turn."""
    ema_decay: float = 0.999
    bf16: bool = False
    """Whether the networks work in bfloat16."""
    seed: int = 0
    threads: int = 0
    """Torch's CPU threads; 0 leaves its default."""

    def __post_init__(self) -> None:
        for name in ("epochs", "views"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name.replace('_', ' ')} must be at least 1")
        if self.batch_size < 2:  # what is left over of an epoch is no batch: none is smaller
            raise ConfigError(
                f"--batch-size {self.batch_size}: needs at least 2 faces, whose spread the batch"
                " normalisation takes"
            )
        self.network("ferplus", EncoderShape())

    def network(self, labels: LabelSet, codes: EncoderShape) -> LatentPERConfig:
        """Shape of the classifier that the run trains."""
        backbone = BackboneConfig(self.backbone, self.width, self.stem, self.input_size)
        return LatentPERConfig(
            backbone, self.latent, labels, self.hidden, self.dropout, codes.num_ws, codes.w_dim
        )


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Of the codes that an encoder gives."""

    num_ws: int = 10
    w_dim: int = 128


class BackboneRun:
    """The state of a run: network, objective, average, optimiser, position.

    Args:
        config: the run.
        faces: what it learns from.
        encoder: of the codes.
        directions: whose scores say which indices of a code are read.
        device: where it runs.
        initial: a published checkpoint of DAN to start from; None starts from random weights.

    Raises:
        ConfigError: the directions are of other codes, or the checkpoint is of another shape.
        EngineError: the checkpoint is missing or broken.
    """

    def __init__(
        self,
        config: BackboneRunConfig,
        faces: TeachingFaces,
        encoder: Encoder,
        directions: Directions,
        device: torch.device,
        initial: Path | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.faces = faces
        self.device = device
        shape = config.network(
            faces.labels, EncoderShape(encoder.config.num_ws, encoder.config.w_dim)
        )
        self.network = LatentPER(shape)
        self.network.expressions = faces.expressions
        self.objective = make_objective(self.network.backbone, shape.backbone)
        self._begin(encoder, directions)
        if initial is not None:
            _start_from(self.network, shape.backbone, initial)
        self.network.to(device)
        self.objective.to(device)
        self.half = torch.autocast(device.type, torch.bfloat16, enabled=config.bf16)
        self.average = AveragedModel(self.network, config.ema_decay)
        self.optimizer = self._make_optimizer()
        self.epoch = 0

    def _begin(self, encoder: Encoder, directions: Directions) -> None:
        network = self.network
        if network.reads_codes:
            shape = (encoder.config.num_ws, encoder.config.w_dim)
            if directions.code_shape != shape:
                raise ConfigError(
                    f"the directions are for codes of {directions.code_shape[0]} ×"
                    f" {directions.code_shape[1]}, the encoder's are {shape[0]} × {shape[1]}"
                )
            network.mask.copy_(torch.from_numpy(latent_mask(directions, self.config.latent)))
            network.w_avg.copy_(encoder.w_avg)
            codes = torch.from_numpy(self.faces.views.codes(0).astype(np.float32))
            spread = (codes - encoder.w_avg.cpu()).square().mean().sqrt()
            network.spread.copy_(spread.clamp(min=_LEAST_SPREAD))

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch."""
        return max(len(self.faces.classes) // self.config.batch_size, 1)

    def train_epoch(self, advance: Callable[[], None] = lambda: None) -> float:
        """Trains one epoch and returns its mean loss."""
        config = self.config
        torch.manual_seed(config.seed * 100_003 + self.epoch)
        self.network.train()
        self.objective.train()
        total = torch.zeros((), device=self.device)
        for step, (shown, ws, classes) in enumerate(self._batches()):
            position = self.epoch + step / self.steps_per_epoch
            factor = learning_rate_factor(position, config.epochs, config.warmup, config.cooldown)
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
            total += self._step(shown, ws, classes)
            advance()
        self.epoch += 1
        return float(total) / self.steps_per_epoch

    def _batches(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        config, faces = self.config, self.faces
        view = self.epoch % config.views
        shown = self._shown(view)
        codes = faces.views.codes(view) if self.network.reads_codes else None
        order = np.random.default_rng((config.seed, self.epoch)).permutation(len(shown))
        for step in range(self.steps_per_epoch):
            # In the file's order, which reads faster; within a batch it makes no difference.
            rows = np.sort(order[step * config.batch_size : (step + 1) * config.batch_size])
            ws = None if codes is None else torch.from_numpy(codes[rows]).to(self.device).float()
            yield (
                torch.from_numpy(shown[rows]).to(self.device),
                ws,
                torch.from_numpy(faces.classes[rows]).to(self.device),
            )

    def _shown(self, view: int) -> NDArray[Any]:
        """What the network is shown of the faces in a view: their crops."""
        return self.faces.views.crops(view)

    def _step(self, shown: Tensor, ws: Tensor | None, classes: Tensor) -> Tensor:
        network = self.network
        with self.half:
            maps = network.backbone.maps(network.pictures(shown))
            lesson = self.objective(network.backbone, maps, classes)
            codes = None if ws is None else lesson.mixed(network.codes(ws))
            logits = network.logits(lesson.description, codes).float()
        loss = self._loss(logits, classes)
        if lesson.partner is not None:
            loss = (loss + self._loss(logits, classes[lesson.partner])) / 2
        return self._learn(loss + lesson.loss)

    def _loss(self, logits: Tensor, classes: Tensor) -> Tensor:
        targets = F.one_hot(classes, NUM_LABELS).float()
        return distribution_loss(logits, targets, self.config.loss)

    def _learn(self, loss: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.average.update(self.network)
        return loss.detach()

    def _learned(self) -> list[nn.Parameter]:
        """What the optimiser moves."""
        return [*self.network.parameters(), *self.objective.parameters()]

    def _make_optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        learned = self._learned()
        groups = [
            {"params": [p for p in learned if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)

    def calibrate(self) -> None:
        """Sets the averaged network's temperature from training faces that were kept back."""
        network, faces = self.average.model, self.faces.calibration
        network.temperature.fill_(1.0)
        if len(faces):
            logits = torch.from_numpy(exam_logits(network, faces, self.device))
            network.temperature.fill_(fit_temperature(logits, torch.from_numpy(faces.classes)))

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on exactly."""
        return {
            "config": asdict(self.config),
            "faces": self.faces.sha256,
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "average": self.average.model.state_dict(),
            "average_updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any], where: Path) -> None:
        """Takes up the state of an earlier run.

        Raises:
            ConfigError: that run had other settings or faces; says which.
        """
        # An earlier version's run had what is usual where it knew no choice.
        mine, theirs = asdict(self.config), asdict(BackboneRunConfig()) | state.get("config", {})
        for name in mine:
            if name not in _FREE and mine[name] != theirs.get(name):
                raise ConfigError(
                    f"{where}: was trained with {name} {theirs.get(name)}, not {mine[name]};"
                    " resume with the same settings"
                )
        if state.get("faces") != self.faces.sha256:
            raise ConfigError(
                f"{where}: was trained on other faces, or in another style; resume with the same"
                " data, split, landmarks, style and augmentation"
            )
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self.average.model.load_state_dict(state["average"])
        self.average.updates = state["average_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]


def _start_from(network: LatentPER, shape: BackboneConfig, initial: Path) -> None:
    if shape != PUBLISHED_SHAPE:
        raise ConfigError(
            f"--initial {initial}: published checkpoints of DAN need --backbone dan --stem imagenet"
            f" --width {PUBLISHED_SHAPE.width:g} --input-size {PUBLISHED_SHAPE.input_size}"
        )
    network.backbone.load_state_dict(load_published_dan(initial).backbone_state())
