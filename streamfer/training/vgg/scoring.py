"""The classifier held against faces that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streamfer.evaluation.agreement import unweighted_average_recall
from streamfer.evaluation.metrics import confusion_matrix
from streamfer.labels import LABEL_SETS
from streamfer.models.vgg import FaceVGG
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures
from streamfer.training.vgg.objective import fit_temperature
from streamfer.types import UInt8Array

_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationFaces:
    """Aligned crops and the classes of both label sets."""

    crops: UInt8Array
    """(n, 64, 64)."""
    classes: tuple[NDArray[np.int64], NDArray[np.int64]]
    """(n,) each, of `ferplus` and `fer2013`; NO_LABEL where unknown."""


def evaluation_faces(faces: LabelledFaces, cache: LandmarkCache) -> EvaluationFaces:
    """Aligns faces and takes the true classes of both label sets."""
    crops = align_pictures(faces.pictures, cache)
    return EvaluationFaces(crops, (majority_class(faces.votes), faces.classes))


@torch.inference_mode()
def predict_logits(model: FaceVGG, crops: UInt8Array) -> tuple[Tensor, Tensor]:
    """Logits of `ferplus` and `fer2013`, each [N7] float32 on the CPU, of (n, 64, 64) crops."""
    device = next(model.parameters()).device
    parts = [
        model(torch.from_numpy(crops[start : start + _BATCH]).to(device))
        for start in range(0, len(crops), _BATCH)
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
        if not known.any():
            continue
        model.temperature[head] = fit_temperature(logits[known], classes[known])


def score(model: FaceVGG, faces: EvaluationFaces) -> dict[str, float | None]:
    """Accuracy, recall (its mean over the classes) and cross-entropy of both heads:
    `accuracy_ferplus`, `recall_ferplus`, `loss_ferplus`, …

    None for a head that was not trained, or for which no face has a class.
    """
    scores: dict[str, float | None] = {}
    logits = predict_logits(model, faces.crops)
    for name, answer, truth in zip(LABEL_SETS, logits, faces.classes, strict=True):
        known = torch.from_numpy(truth != NO_LABEL)
        answer, classes = answer[known], torch.from_numpy(truth)[known]
        some = len(classes) > 0 and name in model.heads
        hits = (answer.argmax(dim=1) == classes).float().mean() if some else None
        confusion = confusion_matrix(answer.numpy(), classes.numpy())
        recall = unweighted_average_recall(confusion) if some else None
        loss = F.cross_entropy(answer, classes) if some else None
        scores[f"accuracy_{name}"] = None if hits is None else round(float(hits), 5)
        scores[f"recall_{name}"] = None if recall is None else round(recall, 5)
        scores[f"loss_{name}"] = None if loss is None else round(float(loss), 5)
    return scores
