"""ResNet-18 and ResNet-50 (He et al., CVPR 2016) with torchvision's layout and key names.

`features` holds torchvision's children in their order, as DAN and RUL keep them: 0 the stem, 1 its
norm, 2 ReLU, 3 pooling, 4 to 7 the four stages.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.backbones.backbone import Backbone, BackboneConfig, channels_last
from streamfer.models.resnet50 import Bottleneck

_STAGES = (64, 128, 256, 512)
_BLOCKS_18, _BLOCKS_50 = (2, 2, 2, 2), (3, 4, 6, 3)
_EXPANSION_50 = 4


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] to [NCHW], smaller by the stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(Backbone):
    """ResNet-18, or ResNet-50 where the name says so, without its classifier.

    Args:
        config: its shape.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        stages = tuple(config.scaled(channels) for channels in _STAGES)
        self.features = nn.Sequential(*_stem(config, stages[0]), *_stages(config, stages))
        for layer in self.features.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        channels_last(self.features)
        self.num_features = stages[-1] * (_EXPANSION_50 if config.name == "resnet50" else 1)
        # Each halving rounds up.
        halvings = len(_STAGES) - 1 + (0 if config.stem == "small" else 2)
        self.map_shape = self.num_features, -(-config.input_size // 2**halvings)

    def maps(self, pictures: Tensor) -> Tensor:
        """[NCHW] float pictures to [NCHW] feature maps."""
        return self.features(pictures)


def _stem(config: BackboneConfig, width: int) -> list[nn.Module]:
    if config.stem == "small":
        convolution, pooling = nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.Identity()
        return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), pooling]
    return [
        nn.Conv2d(3, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]


def _stages(config: BackboneConfig, widths: tuple[int, ...]) -> list[nn.Module]:
    deep = config.name == "resnet50"
    counts = _BLOCKS_50 if deep else _BLOCKS_18
    layers: list[nn.Module] = []
    channels = widths[0]
    for index, (width, count) in enumerate(zip(widths, counts, strict=True)):
        blocks: list[nn.Module] = []
        for number in range(count):
            stride = 2 if index and not number else 1
            block = Bottleneck if deep else BasicBlock
            blocks.append(block(channels, width, stride))
            channels = width * _EXPANSION_50 if deep else width
        layers.append(nn.Sequential(*blocks))
    return layers
