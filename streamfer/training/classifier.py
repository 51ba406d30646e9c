"""Training of the face classifier: `python -m streamfer.training.classifier --help`.

Needs torch, numpy, OpenCV, pyarrow, safetensors and rich, and a detector only for pictures that
the landmark cache lacks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfer.errors import ConfigError, OutputError
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, load_face_vgg, save_face_vgg
from streamfer.training.augment import AugmentConfig
from streamfer.training.batches import EpochBatches, TrainingFaces, load_batches, training_faces
from streamfer.training.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.landmarks import (
    LandmarkCache,
    align_pictures,
    open_landmarks,
    picture_key,
)
from streamfer.training.objective import (
    Loss,
    distribution_loss,
    fit_temperature,
    input_size_of_epoch,
    learning_rate_factor,
)
from streamfer.training.run_state import (
    AveragedModel,
    MetricsFile,
    load_checkpoint,
    save_checkpoint,
)
from streamfer.training.widen import widened
from streamfer.types import UInt8Array

_HELD_OUT_OF = 32
"""One picture in this many of the training data is kept back to fit the temperatures."""
_EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """One training run."""

    width: float = 0.5
    """Multiplies VGG19's channel counts."""
    dropout: float = 0.5
    epochs: int = 40
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
    ema_decay: float = 0.999
    sizes: tuple[int, ...] = (32, 40, 48)
    """Sides in pixels at which equal parts of the run are trained; the last one is served."""
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

    def network(self) -> FaceVGGConfig:
        """Shape of the network that the run trains."""
        return FaceVGGConfig(self.width, self.sizes[-1], self.dropout)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationFaces:
    """Aligned crops and the classes of both label sets."""

    crops: UInt8Array
    """(n, 64, 64)."""
    classes: tuple[NDArray[np.int64], NDArray[np.int64]]
    """(n,) each, of `ferplus` and `fer2013`; NO_LABEL where unknown."""


Report = Callable[[dict[str, Any]], None]
"""Is told of every epoch when it is over."""


class ClassifierRun:
    """The state of a run: network, average, optimiser, position.

    Args:
        config: the run.
        faces: what it learns from.
        initial: a trained network to start from, widened where the run's is wider; None starts
            from random weights.
    """

    def __init__(
        self, config: ClassifierConfig, faces: TrainingFaces, initial: FaceVGG | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.faces = faces
        self.device = torch.device(config.device)
        shape = config.network()
        model = widened(initial, shape, config.seed) if initial else FaceVGG(shape)
        self.model = model.to(self.device)
        self.average = AveragedModel(self.model, config.ema_decay)
        self.optimizer = _make_optimizer(config, self.model)
        self.epoch = 0
        self.best_accuracy = -1.0
        self._bf16 = _use_bf16(config, self.device)

    def train_epoch(self, advance: Callable[[], None]) -> float:
        """Trains one epoch and returns its mean loss."""
        config = self.config
        torch.manual_seed(config.seed * 100_003 + self.epoch)
        size = input_size_of_epoch(self.epoch, config.epochs, config.sizes)
        self.model.input_size = self.average.model.input_size = size
        self.model.train()
        batches = EpochBatches(
            self.faces, AugmentConfig(), config.batch_size, config.seed, self.epoch
        )
        total = torch.zeros((), device=self.device)
        loader = load_batches(batches, config.workers, pinned=self.device.type == "cuda")
        for step, batch in enumerate(loader):
            position = self.epoch + step / len(batches)
            factor = learning_rate_factor(position, config.epochs, config.warmup, config.cooldown)
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
            total += self._step(*(part.to(self.device, non_blocking=True) for part in batch))
            advance()
        self.epoch += 1
        return float(total) / len(batches)

    def _step(self, crops: Tensor, ferplus: Tensor, fer2013: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits_ferplus, logits_fer2013 = self.model(crops)
        kind = self.config.loss
        loss = distribution_loss(logits_ferplus, ferplus, kind)
        loss = loss + distribution_loss(logits_fer2013, fer2013, kind)
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
        free = {"epochs", "cooldown", "device", "precision", "workers", "threads"}
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


def train_classifier(
    config: ClassifierConfig,
    training: LabelledFaces,
    validation: LabelledFaces,
    out: Path,
    landmarks: Path | None = None,
    initial: Path | None = None,
    resume: bool = False,
    report: Report | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Path:
    """Trains, and keeps the epoch that does best on the validation faces.

    Writes to `out`: `config.json`, `metrics.jsonl`, `last.pt` (to resume from) and
    `face_vgg19.safetensors`, the averaged weights of the best epoch, calibrated on held-out
    training faces.

    Args:
        config: the run.
        training: faces to learn from.
        validation: faces that choose the epoch, and nothing else.
        out: folder of the run.
        landmarks: NPZ file of the landmark cache; None detects and forgets.
        initial: weights to start from; None starts from scratch.
        resume: go on from `out`/last.pt where it exists.
        report: told of every epoch.
        advance: called after every step.

    Returns:
        The path of the weights.

    Raises:
        ConfigError: the settings or the checkpoint do not fit.
        OutputError: `out` cannot be written.
    """
    cv2.setNumThreads(1)
    if config.threads:
        torch.set_num_threads(config.threads)
    cache = open_landmarks(landmarks, training.pictures + validation.pictures)
    held_out, kept = _split(training)
    start = load_face_vgg(initial) if initial else None
    run = ClassifierRun(config, training_faces(kept, cache, config.label_smoothing), start)
    calibration, exam = evaluation_faces(held_out, cache), evaluation_faces(validation, cache)
    weights, checkpoint = out / "face_vgg19.safetensors", out / "last.pt"
    _make_folder(out)
    if resume and checkpoint.exists():
        run.restore(load_checkpoint(checkpoint), checkpoint)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", "utf-8")
    metrics = MetricsFile(out / "metrics.jsonl", keep=run.epoch)
    while run.epoch < config.epochs:
        row = _one_epoch(run, exam, advance)
        accuracy = (row["accuracy_ferplus"] + row["accuracy_fer2013"]) / 2
        if accuracy > run.best_accuracy:
            run.best_accuracy = accuracy
            calibrate(run.average.model, calibration)
            save_face_vgg(run.average.model, weights, {"epoch": str(run.epoch)})
            run.average.model.temperature.fill_(1.0)
        metrics.append(row)
        save_checkpoint(checkpoint, run.state())
        if report:
            report(row)
    return weights


def evaluation_faces(faces: LabelledFaces, cache: LandmarkCache) -> EvaluationFaces:
    """Aligns faces and takes the true classes of both label sets."""
    crops = align_pictures(faces.pictures, cache)
    return EvaluationFaces(crops, (majority_class(faces.votes), faces.classes))


@torch.inference_mode()
def predict_logits(model: FaceVGG, crops: UInt8Array) -> tuple[Tensor, Tensor]:
    """Logits of `ferplus` and `fer2013`, each [N7] float32 on the CPU, of (n, 64, 64) crops."""
    device = next(model.parameters()).device
    parts = [
        model(torch.from_numpy(crops[start : start + _EVALUATION_BATCH]).to(device))
        for start in range(0, len(crops), _EVALUATION_BATCH)
    ]
    ferplus, fer2013 = zip(*parts, strict=True)
    return torch.cat(ferplus).float().cpu(), torch.cat(fer2013).float().cpu()


def calibrate(model: FaceVGG, faces: EvaluationFaces) -> None:
    """Sets the network's temperatures from faces that it was not trained on."""
    if not len(faces.crops):
        return
    for head, logits in enumerate(predict_logits(model, faces.crops)):
        classes = torch.from_numpy(faces.classes[head])
        known = classes != NO_LABEL
        model.temperature[head] = fit_temperature(logits[known], classes[known])


def _one_epoch(
    run: ClassifierRun, exam: EvaluationFaces, advance: Callable[[], None]
) -> dict[str, Any]:
    started = time.monotonic()
    loss = run.train_epoch(advance)
    row: dict[str, Any] = {
        "epoch": run.epoch,
        "input_size": run.model.input_size,
        "loss": round(loss, 5),
    }
    logits = predict_logits(run.average.model, exam.crops)
    for head, name in enumerate(("ferplus", "fer2013")):
        classes = torch.from_numpy(exam.classes[head])
        known = classes != NO_LABEL
        count = max(int(known.sum()), 1)
        hits = int((logits[head][known].argmax(dim=1) == classes[known]).sum())
        nll = torch.nn.functional.cross_entropy(logits[head][known], classes[known])
        row[f"accuracy_{name}"] = round(hits / count, 5)
        row[f"loss_{name}"] = round(float(nll), 5)
    row["seconds"] = round(time.monotonic() - started, 1)
    return row


def _split(faces: LabelledFaces) -> tuple[LabelledFaces, LabelledFaces]:
    """(held out, kept): by content, so that copies of a picture stay on one side."""
    bucket = np.array([picture_key(p)[0] % _HELD_OUT_OF for p in faces.pictures])
    return faces.subset(np.flatnonzero(bucket == 0)), faces.subset(np.flatnonzero(bucket))


def _make_optimizer(config: ClassifierConfig, model: FaceVGG) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    free = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)


def _use_bf16(config: ClassifierConfig, device: torch.device) -> bool:
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without the instructions bf16 is emulated, at a quarter of float32's speed.
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot make the folder: {error}") from error
