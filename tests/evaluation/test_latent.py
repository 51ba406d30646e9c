"""Figures of inversion belong to the pictures they are about."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.evaluation.inverted import (
    BATCH,
    LatentModels,
    invert_faces,
    load_latent_models,
    read_emotions,
    summarise,
)
from streamfer.evaluation.latent import LatentEvaluation, draw_samples, evaluate_latent
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.descent import InversionConfig, LossWeights
from streamfer.models.storage import save_encoder
from streamfer.training.faces.aligned import AlignedFaces
from tests.support.latent import save_latent_networks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LatentModels:
    files = save_latent_networks(tmp_path_factory.mktemp("weights"))
    return load_latent_models(files["generator"], files["encoder"], files["classifier"], CPU)


def test_figures_are_those_of_the_pictures(models: LatentModels) -> None:
    crops = draw_samples(models, 3, 1.0, seed=4)
    # Small steps: what is drawn stays within the range of pictures, which clip the rest.
    config = InversionConfig(steps=15, learning_rate=0.06, weights=LossWeights(pixel=5.0))
    faces = invert_faces(models, crops, ["a", "b", "c"], config)
    assert [face.name for face in faces] == ["a", "b", "c"]
    for crop, face in zip(crops, faces, strict=True):
        np.testing.assert_array_equal(face.input, crop)
        for picture, mse in ((face.encoder, face.mse_encoder), (face.refined, face.mse_refined)):
            expected = ((picture / 255.0 - crop / 255.0) ** 2).mean()
            assert mse == pytest.approx(expected, rel=0.05, abs=1e-4)
        pictures = torch.from_numpy(np.stack([face.input, face.encoder, face.refined]))
        read = [face.emotion_input, face.emotion_encoder, face.emotion_refined]
        assert read == read_emotions(models.network, pictures)
        assert face.mse_refined <= face.mse_encoder
        assert len(face.history) == face.steps + 1


def test_batches_do_not_change_the_figures(models: LatentModels) -> None:
    crops = draw_samples(models, BATCH + 2, 1.0, seed=5)
    names = [str(i) for i in range(len(crops))]
    config = InversionConfig(steps=2)
    done: list[int] = []
    together = invert_faces(models, crops, names, config, on_batch=done.append)
    assert done == [BATCH, 2]
    (alone,) = invert_faces(models, crops[-1:], names[-1:], config)
    assert together[-1].mse_refined == pytest.approx(alone.mse_refined, rel=1e-2)
    assert together[-1].name == alone.name


def test_summary_counts_the_faces_that_gained(models: LatentModels) -> None:
    crops = draw_samples(models, 1, 1.0, seed=6)
    (face,) = invert_faces(models, crops, ["a"], InversionConfig(steps=0))
    gained = dataclasses.replace(
        face,
        loss_encoder=1.0,
        loss_refined=0.5,
        mse_encoder=0.10,
        mse_refined=0.06,
        emotion_input="sad",
        emotion_encoder="happy",
        emotion_refined="sad",
    )
    lost = dataclasses.replace(gained, loss_refined=0.6, mse_refined=0.08, emotion_refined="fear")
    summary = summarise([gained, gained, gained, lost])
    assert summary["loss_halved"] == summary["mse_down_30"] == 0.75
    assert (summary["agreement_encoder"], summary["agreement_refined"]) == (0.0, 0.75)
    assert summary["median_mse_refined"] == pytest.approx(0.06)
    assert summary["mean_loss_refined"] == pytest.approx(0.525)


def test_evaluation_is_of_the_asked_size_and_repeatable(models: LatentModels) -> None:
    real = np.random.default_rng(0).integers(0, 256, (40, 64, 64), dtype=np.uint8)
    names = tuple(f"face{i}" for i in range(40))
    classes = np.arange(40) % 7
    validation = AlignedFaces(real, classes, classes, names)
    config = LatentEvaluation(faces=3, samples=50, steps=1)
    first, second = (evaluate_latent(models, real[:20], validation, config) for _ in range(2))
    assert len(first["faces"]) == 3
    assert [f["name"] for f in first["faces"]] == [f["name"] for f in second["faces"]]
    assert first["frechet"] == second["frechet"]
    assert first["frechet"]["training"] < first["frechet"]["samples"]


def test_networks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    files = save_latent_networks(tmp_path)
    shape = EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=9, w_dim=8)
    save_encoder(Encoder(shape), files["encoder"], {})
    with pytest.raises(EngineError, match=r"encoder_faces64\.safetensors: .* do not fit"):
        load_latent_models(files["generator"], files["encoder"], files["classifier"], CPU)
