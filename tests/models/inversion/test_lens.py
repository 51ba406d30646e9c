"""The lens sees what the network sees."""

from __future__ import annotations

import torch
from torch import nn

from streamfer.models.inversion.lens import Lens
from streamfer.models.vgg import FaceVGG, FaceVGGConfig


def make_network() -> FaceVGG:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    network(torch.randint(0, 256, (8, 64, 64), dtype=torch.uint8))  # moves the statistics
    return network.eval()


def test_logits_are_the_networks_own() -> None:
    network = make_network()
    faces = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    images = faces[:, None].float() / 127.5 - 1
    _, ferplus, fer2013 = Lens(network).features_and_logits(images)
    expected = network(faces)
    torch.testing.assert_close(ferplus, expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(fer2013, expected[1], rtol=1e-3, atol=1e-4)


def test_features_are_the_stages_ends() -> None:
    network = make_network()
    lens = Lens(network, depths=(1, 3, 5))
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    features = lens(images)
    assert [f.shape[2] for f in features] == [32, 8, 2]
    x = network.normalise((images[:, 0] + 1) * 127.5)
    pools = 0
    for layer in network.trunk:
        pools += isinstance(layer, nn.MaxPool2d)
        if pools == 3:
            break
        x = layer(x)
    torch.testing.assert_close(features[1], x, rtol=1e-3, atol=1e-4)


def test_gradients_reach_the_picture_but_not_the_network() -> None:
    lens = Lens(make_network())
    images = (torch.rand(2, 1, 64, 64) * 2 - 1).requires_grad_(True)
    torch.autograd.backward(sum(f.square().sum() for f in lens(images)))
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in lens.parameters())
