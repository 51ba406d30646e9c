"""Arms on one trained backbone: it stays as it is, and its layers learn as they would beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
import torch

from streamfer.labels import LABELS
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.latent_per import Latent, LatentPER
from streamfer.training.backbones.run import BackboneRunConfig, EncoderShape
from streamfer.training.backbones.shared_trunk import SharedTrunkRun, describe_views
from streamfer.training.backbones.teaching_faces import ExamFaces, TeachingFaces
from tests.support.directions import random_directions

CONFIG = BackboneRunConfig(
    backbone="vgg19", width=0.03, input_size=32, hidden=16, batch_size=16, epochs=20, views=2
)
ENCODER = EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=10, w_dim=8)


@dataclass(frozen=True)
class KeptViews:
    """Faces whose class only the code tells, the same in both views."""

    classes: np.ndarray[Any, Any]

    def crops(self, view: int) -> np.ndarray[Any, Any]:
        return np.random.default_rng(view).integers(0, 256, (64, 64, 64), dtype=np.uint8)

    def codes(self, view: int) -> np.ndarray[Any, Any]:
        codes = np.random.default_rng(view).normal(size=(64, 10, 8)) * 0.1
        codes[np.arange(64), self.classes] += 1
        return codes.astype(np.float16)


@pytest.fixture
def faces() -> TeachingFaces:
    classes = np.arange(64) % 7
    nobody = ExamFaces(
        np.empty((0, 64, 64), np.uint8), np.empty((0, 10, 8), np.float16), np.empty(0, np.int64)
    )
    return TeachingFaces(
        views=cast("Any", KeptViews(classes)),
        classes=classes,
        calibration=nobody,
        validation=nobody,
        labels="ferplus",
        style="photo",
        sha256=hashlib.sha256(b"").hexdigest(),
        how="",
        hashes=cast("Any", None),
        expressions=LABELS,
    )


def _learned(faces: TeachingFaces, latent: Latent) -> tuple[LatentPER, LatentPER, float]:
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    trained = LatentPER(CONFIG.network("ferplus", EncoderShape(10, 8)))
    config = BackboneRunConfig(**{**{n: getattr(CONFIG, n) for n in _NAMES}, "latent": latent})
    trunk = describe_views(trained, faces, config.views, cpu)
    run = SharedTrunkRun(config, trunk, faces, Encoder(ENCODER), random_directions(10, 8), cpu)
    loss = [run.train_epoch() for _ in range(config.epochs)][-1]
    run.calibrate()
    return trained, run.average.model, loss


_NAMES = ("backbone", "width", "input_size", "hidden", "batch_size", "epochs", "views")


def test_the_trunk_stays_and_the_layers_learn(faces: TeachingFaces) -> None:
    trained, learned, with_codes = _learned(faces, "full")
    for expected, actual in zip(
        trained.backbone.state_dict().values(), learned.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(actual, expected)
    # What the crops don't say the codes do.
    without_codes = _learned(faces, "none")[2]
    assert with_codes < 0.5 * without_codes


def test_descriptions_are_the_networks_own(faces: TeachingFaces) -> None:
    network = LatentPER(CONFIG.network("ferplus", EncoderShape(10, 8)))
    trunk = describe_views(network, faces, 2, torch.device("cpu"))
    crops = torch.from_numpy(faces.views.crops(1))
    with torch.inference_mode():
        expected = network.backbone(network.pictures(crops)).half().numpy()
    assert np.allclose(trunk.descriptions[1], expected, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in trunk.network.parameters())
