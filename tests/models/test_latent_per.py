from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from streamfer.errors import ConfigError, EngineError
from streamfer.models.backbones.backbone import BACKBONES, BackboneConfig, BackboneName
from streamfer.models.directions import Directions, load_directions
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.latent_per import (
    Latent,
    LatentPER,
    LatentPERConfig,
    ServedLatentPER,
    export_latent_per,
    imagenet_pictures,
    joint_scores,
    latent_mask,
    load_latent_per,
    save_latent_per,
)
from streamfer.models.shipped import SHIPPED
from streamfer.models.stylegan2 import from_uint8


def small_encoder() -> Encoder:
    torch.manual_seed(2)
    encoder = Encoder(
        EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=10, w_dim=8)
    )
    torch.nn.init.normal_(encoder.common.weight)
    return encoder.eval()


def small_network(backbone: BackboneName, latent: Latent) -> LatentPER:
    torch.manual_seed(1)
    shape = BackboneConfig(backbone, width=0.05, input_size=32)
    network = LatentPER(LatentPERConfig(shape, latent, hidden=16, w_dim=8)).eval()
    network.temperature.fill_(1.5)
    network.mask[::3] = 0
    return network


def faces(count: int) -> torch.Tensor:
    pixels = np.random.default_rng(count).integers(0, 256, (count, 64, 64), dtype=np.uint8)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize(("backbone", "latent"), [("rul", "mean"), ("dan", "none")])
def test_weights_survive_a_round_trip(
    tmp_path: Path, backbone: BackboneName, latent: Latent
) -> None:
    network, encoder = small_network(backbone, latent), small_encoder()
    path = tmp_path / "own.safetensors"
    save_latent_per(network, encoder, path, {"seed": "1"})
    served = load_latent_per(path)
    assert served.network.config == network.config
    assert torch.equal(served.network.mask, network.mask)
    assert (served.encoder is None) == (latent == "none")
    with torch.no_grad():
        ws = encoder(from_uint8(faces(5))) if latent != "none" else None
        before, after = network.probabilities(faces(5), ws), served(faces(5))
    assert torch.allclose(before, after, atol=0.02)


@pytest.mark.parametrize(
    "backbone",
    [
        # One in `make test`, for an export takes a while; the others when asked for.
        pytest.param(name, marks=() if name == "resnet18" else pytest.mark.slow)
        for name in BACKBONES
    ],
)
def test_the_export_answers_as_the_network_does(backbone: BackboneName) -> None:
    network, encoder = small_network(backbone, "mean"), small_encoder()
    served = ServedLatentPER(network, encoder).eval()
    session = onnxruntime.InferenceSession(export_latent_per(served))
    for count in (1, 5):
        (answer,) = session.run(["probs_ferplus"], {"faces": faces(count).numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(answer, served(faces(count)).numpy(), atol=1e-5)


def test_masked_indices_say_nothing() -> None:
    network = small_network("resnet18", "mean")
    ws = torch.randn(4, 10, 8)
    other = ws.clone()
    other.view(4, -1)[:, network.mask == 0] += 7
    with torch.no_grad():
        assert torch.equal(network(faces(4), ws), network(faces(4), other))
        other.view(4, -1)[:, 1] += 7
        assert not torch.allclose(network(faces(4), ws), network(faces(4), other))


def test_the_paper_s_shares_of_the_indices_stay() -> None:
    shipped = load_directions(SHIPPED.directions)
    kept = {latent: latent_mask(shipped, latent).mean() for latent in ("full", "median", "mean")}
    assert kept["full"] == 1
    # The paper: 24 and 18 % of 9,216; scores of other shape, other shares.
    assert 0.2 < kept["mean"] < kept["median"] < 0.35
    assert latent_mask(shipped, "none").sum() == 0


def test_an_index_takes_the_score_of_the_expression_that_it_says_most_of() -> None:
    scores = np.zeros((9, 2), np.float32)
    scores[0], scores[3], scores[8] = (1, 2), (-3, 1), (99, 99)  # the last is pose
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "yaw", "pitch")
    directions = Directions(names, np.zeros((9, 1, 2), np.float32), scores)
    assert joint_scores(directions).tolist() == [-3, 2]
    with pytest.raises(ConfigError, match="none of angry"):
        joint_scores(Directions(("yaw",), np.zeros((1, 1, 2), np.float32), scores[:1]))


def test_pictures_of_imagenet_are_scaled_as_its_networks_expect() -> None:
    gray = imagenet_pictures(torch.full((1, 64, 64), 255, dtype=torch.uint8), 96)
    assert gray.shape == (1, 3, 96, 96)
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert gray.mean(dim=(0, 2, 3)).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "expected schema streamfer.latent_per/1, found none"),
        ({"schema": "streamfer.latent_per/1", "config": "{}"}, "not the weights of a Latent-PER"),
        (
            {"schema": "streamfer.latent_per/1", "config": '{"backbone": {"name": "x"}}'},
            "backbone x: expected one of",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata)
    with pytest.raises(EngineError, match=message):
        load_latent_per(path)


def test_impossible_settings_are_refused() -> None:
    for change, message in [
        ({"latent": "some"}, "latent some: expected one of none, full"),
        ({"labels": "raf"}, "labels raf: expected one of ferplus"),
        ({"hidden": 0}, "hidden must be"),
        ({"dropout": 1.0}, "dropout 1.0 is not"),
    ]:
        with pytest.raises(ConfigError, match=message):
            LatentPERConfig(**change)  # type: ignore[arg-type]
