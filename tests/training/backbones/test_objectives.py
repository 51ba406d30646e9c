"""The authors' losses, held against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from streamfer.models.backbones.backbone import Backbone, BackboneConfig, BackboneName
from streamfer.models.backbones.dan import DAN
from streamfer.models.backbones.registry import make_backbone
from streamfer.training.backbones.objectives import (
    DACLObjective,
    DANObjective,
    Objective,
    RULObjective,
    make_objective,
)

CLASSES = torch.tensor([0, 3, 3, 6, 1, 0])


def made(name: BackboneName) -> tuple[Backbone, Objective, torch.Tensor]:
    torch.manual_seed(4)
    config = BackboneConfig(name, width=0.05, input_size=32)
    backbone = make_backbone(config)
    return backbone, make_objective(backbone, config), backbone.maps(torch.randn(6, 1, 32, 32))


@pytest.mark.parametrize("name", ["vgg19", "resnet18"])
def test_plain_classifiers_add_nothing(name: BackboneName) -> None:
    backbone, objective, maps = made(name)
    lesson = objective(backbone, maps, CLASSES)
    assert lesson.loss == 0
    assert torch.equal(lesson.description, backbone.read(maps))
    assert torch.equal(lesson.mixed(lesson.description), lesson.description)


def test_dan_has_affinity_and_partition() -> None:
    backbone, objective, maps = made("dan")
    assert isinstance(backbone, DAN)
    assert isinstance(objective, DANObjective)
    backbone.eval()
    lesson = objective(backbone, maps, CLASSES)
    pooled, centres = maps.mean(dim=(2, 3)), objective.centres
    distances = sum((pooled[i] - centres[c]).square().sum() for i, c in enumerate(CLASSES)) / 6
    heads = backbone.heads(maps)
    assert torch.allclose(heads.exp().sum(dim=1), torch.ones(()))  # a softmax across the heads
    expected = distances / centres.var(dim=0).sum()
    expected = expected + torch.log(1 + 4 / heads.var(dim=1).mean())
    assert torch.allclose(lesson.loss, expected, rtol=1e-4)
    assert torch.equal(lesson.description, backbone.described(heads))


def test_dacl_draws_features_to_centres_and_centres_to_features() -> None:
    backbone, objective, maps = made("dacl")
    assert isinstance(objective, DACLObjective)
    objective.eval()
    before = objective.centres.clone()
    pairs = objective.attention_heads(
        objective.attention(F.adaptive_avg_pool2d(maps, objective.side).flatten(1))
    )
    attention = torch.softmax(pairs.reshape(6, -1, 2), dim=2)[..., 1]
    offsets = backbone.read(maps) - before[CLASSES]
    lesson = objective(backbone, maps, CLASSES)
    assert torch.allclose(lesson.loss, 0.01 * (attention * offsets**2).sum() / 12)
    moved = before[3] + 0.5 * (attention * offsets)[1:3].sum(dim=0) / (1 + 2)
    assert torch.allclose(objective.centres[3], moved)
    assert torch.equal(objective.centres[2], before[2])  # nobody of that class
    lesson.loss.backward()  # with the centres as they were


def test_rul_mixes_by_relative_uncertainty() -> None:
    backbone, objective, maps = made("rul")
    assert isinstance(objective, RULObjective)
    backbone.eval()
    objective.eval()
    lesson = objective(backbone, maps, CLASSES)
    assert lesson.partner is not None
    assert lesson.share is not None
    uncertainty = objective.log_var(maps).exp().mean(dim=1)
    mu = backbone.read(maps)
    for row, other in enumerate(lesson.partner.tolist()):
        share = uncertainty[row] / (uncertainty[row] + uncertainty[other])
        expected = share * mu[row] + (1 - share) * mu[other]
        assert torch.allclose(lesson.description[row], expected, atol=1e-5)
    assert torch.allclose(lesson.mixed(mu), lesson.description)
    assert lesson.loss == 0
