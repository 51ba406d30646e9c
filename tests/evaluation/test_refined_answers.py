from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from streamfer.evaluation.inverted import invert_faces, load_latent_models
from streamfer.evaluation.refined_answers import compare_refined_answers
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, FusedNetwork
from streamfer.models.inversion.descent import InversionConfig
from streamfer.training.faces.data import NO_LABEL
from tests.support.latent import save_latent_networks


def test_only_the_code_differs_between_the_answers(tmp_path: Path) -> None:
    files = save_latent_networks(tmp_path)
    models = load_latent_models(
        files["generator"], files["encoder"], files["classifier"], torch.device("cpu")
    )
    crops = np.random.default_rng(0).integers(0, 256, (6, 64, 64), dtype=np.uint8)
    names = [str(i) for i in range(6)]
    found = invert_faces(models, crops, names, InversionConfig(steps=0))
    far = np.full_like(found[0].latent_refined, 50.0)
    faces = [dataclasses.replace(face, latent_refined=far) for face in found[:3]] + found[3:]
    torch.manual_seed(0)
    heads = FusedHeads(
        FusedHeadsConfig(models.network.num_features, num_ws=10, w_dim=8, hidden=(16, 8))
    )
    fused = FusedNetwork(models.network, models.encoder, heads).eval()
    with torch.no_grad():
        ferplus, fer2013 = heads(*fused.describe(torch.from_numpy(crops)))
    with_encoder = ferplus.argmax(dim=1).numpy()
    unknown = np.full(6, NO_LABEL)
    unknown[5] = fer2013.argmax(dim=1)[5]
    comparison = compare_refined_answers(
        fused, faces, {"ferplus": with_encoder, "fer2013": unknown}
    )
    assert comparison["ferplus"]["accuracy_a"] == 1.0
    assert 0.5 <= comparison["ferplus"]["accuracy_b"] < 1.0
    assert comparison["fer2013"]["n"] == 1
    assert comparison["fer2013"]["accuracy_a"] == comparison["fer2013"]["accuracy_b"] == 1.0
