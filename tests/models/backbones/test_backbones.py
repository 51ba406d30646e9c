"""The backbones against what their authors publish.

`fixtures/dan_keys.json` holds the names and shapes in DAN's files, `dan.npz` what the published
implementation answered in float64, with the weights that `plain_weights` makes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError, EngineError
from streamfer.models.backbones.backbone import BACKBONES, BackboneConfig, BackboneName
from streamfer.models.backbones.dan import DAN
from streamfer.models.backbones.published_dan import PublishedDAN, load_published_dan
from streamfer.models.backbones.registry import make_backbone
from streamfer.training.backbones.objectives import make_objective
from tests.support.published import FIXTURES, plain_weights, recorded


def dan_keys() -> dict[str, list[int]]:
    return json.loads((FIXTURES / "dan_keys.json").read_text())


@pytest.mark.parametrize(
    ("name", "served", "trained"),
    [
        ("resnet18", 11_176_512, 11_176_512),
        ("resnet50", 23_508_032, 23_508_032),
        # Of the published 103,042,311 with a classifier of 512 · 7 + 7.
        ("dacl", 11_176_512, 103_042_311 - 3_591),
        # Of the published 14,388,615 with a classifier of 64 · 7 + 7.
        ("rul", 11_176_512 + 1_605_824, 14_388_615 - 455),
    ],
)
def test_the_authors_networks_have_so_many_parameters(
    name: BackboneName, served: int, trained: int
) -> None:
    config = BackboneConfig(name, width=1.0, stem="imagenet", input_size=224)
    with torch.device("meta"):
        backbone = make_backbone(config)
        objective = make_objective(backbone, config)
    counts = [sum(p.numel() for p in part.parameters()) for part in (backbone, objective)]
    assert counts[0] == served
    assert sum(counts) == trained


def test_dan_has_the_published_keys_and_answers() -> None:
    network = PublishedDAN(7).double().eval()
    own = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert own == dan_keys()
    assert len(own) == 275
    assert sum(p.numel() for p in network.parameters()) == 19_723_733
    network.load_state_dict(plain_weights(dan_keys()))
    pictures = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 96)))
    with torch.no_grad():
        logits = network(pictures).numpy()
        heads = network.heads(network.maps(pictures)).numpy()
    theirs = recorded("dan")
    np.testing.assert_allclose(logits, theirs["logits"], rtol=1e-9)
    np.testing.assert_allclose(heads[:, :, ::16], theirs["heads"], rtol=1e-5)


def test_descriptions_of_dan_differ_as_much_as_dropout_can_bear() -> None:
    """As the heads answer, alike at first, all lie near −4 log 4."""
    torch.manual_seed(0)
    backbone = make_backbone(BackboneConfig("dan", width=0.1, input_size=48))
    assert isinstance(backbone, DAN)
    maps = backbone.maps(torch.randn(64, 1, 48, 48))
    plain, description = backbone.heads(maps).sum(dim=1), backbone.read(maps)
    assert plain.std() < 1 < 5 < plain.mean().abs()
    torch.testing.assert_close(description.mean(dim=0), torch.zeros(backbone.num_features))
    assert (description.std(dim=0) > 0.5).all()


def test_published_checkpoints_are_read_strictly(tmp_path: Path) -> None:
    weights = {
        k: v.float() if v.is_floating_point() else v for k, v in plain_weights(dan_keys()).items()
    }
    path = tmp_path / "rafdb.pth"
    torch.save({"iter": 21, "model_state_dict": weights, "optimizer_state_dict": {}}, path)
    network = load_published_dan(path)
    state = network.backbone_state()
    assert len(state) == 275 - 7 + 3  # without their classifier, with what standardises
    shape = BackboneConfig("dan", width=1.0, stem="imagenet", input_size=224)
    make_backbone(shape).load_state_dict(state)
    del weights["cat_head3.ca.attention.3.bias"]
    torch.save({"model_state_dict": weights}, path)
    with pytest.raises(EngineError, match=r"rafdb\.pth: not the weights of this publisheddan"):
        load_published_dan(path)
    torch.save({"model_state_dict": {"x": torch.zeros(1)}}, path)
    with pytest.raises(EngineError, match="not a checkpoint of DAN"):
        load_published_dan(path)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("side", [48, 64])
def test_the_small_stem_describes_small_faces(name: BackboneName, side: int) -> None:
    config = BackboneConfig(name, width=0.05, input_size=side)
    backbone = make_backbone(config).eval()
    pictures = torch.randn(3, config.channels, side, side)
    with torch.no_grad():
        maps = backbone.maps(pictures)
        assert tuple(maps.shape) == (3, *backbone.map_shape, backbone.map_shape[1])
        assert backbone(pictures).shape == (3, backbone.num_features)
    assert backbone.map_shape[1] == (side // 16 if name == "vgg19" else side // 8)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match="vgg19 has no stem"):
        BackboneConfig("vgg19", stem="imagenet")
    with pytest.raises(ConfigError, match="width 3 is not"):
        BackboneConfig(width=3)
    with pytest.raises(ConfigError, match="input size 20 is not"):
        BackboneConfig(input_size=20)
    with pytest.raises(ConfigError, match="backbone resnet: expected one of vgg19"):
        BackboneConfig("resnet")  # type: ignore[arg-type]


def test_no_width_has_channels_that_crash() -> None:
    # 8 channels make a strided 1 × 1 convolution of oneDNN write beyond its memory.
    for width in (0.03, 0.1, 0.33):
        assert BackboneConfig(width=width).scaled(64) % 16 == 0
