import pytest
import torch
from torch import nn

from streamfer.errors import ConfigError
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.vgg.widen import widened


def _trained(width: float) -> FaceVGG:
    torch.manual_seed(1)
    model = FaceVGG(FaceVGGConfig(width=width, input_size=32)).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("width", [0.125, 0.1875, 0.25])
def test_a_wider_network_computes_the_same(width: float) -> None:
    model = _trained(0.125)
    wide = widened(model, FaceVGGConfig(width=width, input_size=32)).eval()
    assert wide.num_features == 512 * width
    faces = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        for mine, theirs in zip(wide(faces), model(faces), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-4)


def test_copies_learn_different_things() -> None:
    wide = widened(_trained(0.125), FaceVGGConfig(width=0.25, input_size=32, dropout=0.0))
    ferplus, _ = wide(torch.randint(0, 256, (4, 64, 64), dtype=torch.uint8))
    ferplus.square().sum().backward()
    gradient = wide.trunk[3].weight.grad
    assert gradient is not None
    distances = torch.pdist(gradient.flatten(1))
    assert distances.min() > 0


def test_a_narrower_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot start width"):
        widened(_trained(0.25), FaceVGGConfig(width=0.125))
