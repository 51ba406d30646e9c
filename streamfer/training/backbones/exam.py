"""What a classifier answers to the faces of an exam, and how many answers are right."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.labels import NUM_LABELS
from streamfer.models.latent_per import LatentPER
from streamfer.training.backbones.teaching_faces import ExamFaces
from streamfer.types import FloatArray

_EXAM_BATCH = 128


@torch.inference_mode()
def exam_logits(network: LatentPER, faces: ExamFaces, device: torch.device) -> FloatArray:
    """(n, 7) float32 logits of a classifier in evaluation mode."""
    parts = [np.empty((0, NUM_LABELS), np.float32)]
    for start in range(0, len(faces), _EXAM_BATCH):
        rows = slice(start, start + _EXAM_BATCH)
        crops = torch.from_numpy(np.array(faces.crops[rows])).to(device)
        ws = None
        if network.reads_codes:
            ws = torch.from_numpy(np.array(faces.codes[rows])).to(device).float()
        parts.append(network(crops, ws).float().cpu().numpy())
    return np.concatenate(parts)


def accuracy_of(logits: FloatArray, classes: NDArray[np.int64]) -> float | None:
    """Share of right answers; None without faces."""
    return float((logits.argmax(axis=1) == classes).mean()) if len(classes) else None
