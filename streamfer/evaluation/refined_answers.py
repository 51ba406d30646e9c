"""Whether the fused classifier answers better with the refined code than with the encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.evaluation.mcnemar import compare_paired
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.fused import FusedNetwork
from streamfer.training.faces.data import NO_LABEL

_BATCH = 256


@torch.inference_mode()
def compare_refined_answers(
    fused: FusedNetwork,
    faces: Sequence[InvertedFace],
    classes: dict[LabelSet, NDArray[np.int64]],
) -> dict[str, Any]:
    """The heads' answers with either code, on the same features, against the truth.

    Args:
        fused: the served network, on any device.
        faces: inverted faces.
        classes: (n,) truth of the faces under each label set, NO_LABEL where unknown.

    Returns:
        Per label set McNemar's comparison: `_a` is with the encoder's code, `_b` with the refined.
    """
    device = fused.heads.mask.device
    answers: dict[str, list[list[torch.Tensor]]] = {"encoder": [], "refined": []}
    for start in range(0, len(faces), _BATCH):
        part = faces[start : start + _BATCH]
        crops = torch.from_numpy(np.stack([face.input for face in part])).to(device)
        features = fused.network.features(crops)
        for kind in answers:
            codes = np.stack([getattr(face, f"latent_{kind}") for face in part])
            logits = fused.heads(features, torch.from_numpy(codes).to(device))
            answers[kind].append([x.argmax(dim=1).cpu() for x in logits])
    comparison: dict[str, Any] = {}
    for index, label_set in enumerate(LABEL_SETS):
        truth = classes[label_set]
        known = truth != NO_LABEL
        a, b = (
            torch.cat([part[index] for part in answers[kind]]).numpy()[known]
            for kind in ("encoder", "refined")
        )
        comparison[label_set] = asdict(compare_paired(a, b, truth[known]))
    return comparison
