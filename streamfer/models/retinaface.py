"""RetinaFace: single-shot face detection with landmarks on a feature pyramid.

Deng et al., "RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild" (CVPR 2020). The
modules bear the names of two published implementations, so that their files load key by key: with
MobileNet-0.25 that of biubug6's Face-Detector-1MB-with-landmark, with ResNet-50 that of ternaus's
retinaface-pytorch 0.0.8.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streamfer.errors import ConfigError
from streamfer.models.checkpoints import load_strictly, read_state_dict
from streamfer.models.onnx_export import export_onnx
from streamfer.models.resnet50 import ResNet50Body

_ANCHORS_PER_CELL = 2


def _convolution(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> list[nn.Module]:
    """Convolution, normalisation and, unless it is not wanted, rectification."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return layers


def _separable(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution."""
    depthwise = _convolution(in_channels, in_channels, stride=stride, groups=in_channels)
    pointwise = _convolution(in_channels, out_channels, kernel=1)
    return nn.Sequential(*depthwise, *pointwise)


class MobileNetBody(nn.Module):
    """MobileNet v1 at a quarter of its width, as a feature pyramid wants it."""

    out_channels = (64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(*_convolution(3, 8, stride=2))
        self.stage1 = nn.Sequential(
            first,
            _separable(8, 16),
            _separable(16, 32, stride=2),
            _separable(32, 32),
            _separable(32, 64, stride=2),
            _separable(64, 64),
        )
        self.stage2 = nn.Sequential(
            _separable(64, 128, stride=2), *(_separable(128, 128) for _ in range(5))
        )
        self.stage3 = nn.Sequential(_separable(128, 256, stride=2), _separable(256, 256))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N3HW] to maps at strides 8, 16 and 32."""
        fine = self.stage1(x)
        middle = self.stage2(fine)
        return fine, middle, self.stage3(middle)


class FeaturePyramid(nn.Module):
    """Carries coarse features down to the finer maps."""

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (
            nn.Sequential(*_convolution(count, channels, kernel=1)) for count in in_channels
        )
        self.merge1 = nn.Sequential(*_convolution(channels, channels))
        self.merge2 = nn.Sequential(*_convolution(channels, channels))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        """Three maps, fine to coarse, to three of the same sizes with equal channels."""
        coarse = self.output3(coarse)
        middle = self.merge2(self.output2(middle) + _double(coarse))
        fine = self.merge1(self.output1(fine) + _double(middle))
        return [fine, middle, coarse]


class ContextModule(nn.Module):
    """SSH's context module (Najibi et al., 2017): receptive fields of 3, 5 and 7 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.conv3X3 = nn.Sequential(*_convolution(channels, half, activation=False))
        self.conv5X5_1 = nn.Sequential(*_convolution(channels, quarter))
        self.conv5X5_2 = nn.Sequential(*_convolution(quarter, quarter, activation=False))
        self.conv7X7_2 = nn.Sequential(*_convolution(quarter, quarter))
        self.conv7x7_3 = nn.Sequential(*_convolution(quarter, quarter, activation=False))

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] to [NCHW]."""
        shared = self.conv5X5_1(x)
        fields = [self.conv3X3(x), self.conv5X5_2(shared), self.conv7x7_3(self.conv7X7_2(shared))]
        return F.relu(torch.cat(fields, dim=1))


class Head(nn.Module):
    """A 1 × 1 convolution whose channels are values per anchor."""

    def __init__(self, channels: int, values: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, _ANCHORS_PER_CELL * values, 1)
        self._values = values

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] to [NAv], anchors in the order of rows, columns and sizes."""
        return self.conv1x1(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, self._values)


class RetinaFaceNet(nn.Module):
    """The network.

    Args:
        backbone: `mobilenet0.25` or `resnet50`.

    Raises:
        ConfigError: there is no such backbone.
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        if backbone not in ("mobilenet0.25", "resnet50"):
            raise ConfigError(f"RetinaFace has no backbone {backbone!r}")
        self.backbone = backbone
        mobile = backbone == "mobilenet0.25"
        self.body = MobileNetBody() if mobile else ResNet50Body()
        channels = 64 if mobile else 256
        self.fpn = FeaturePyramid(self.body.out_channels, channels)
        self.ssh1, self.ssh2, self.ssh3 = (ContextModule(channels) for _ in range(3))
        self.ClassHead = nn.ModuleList(Head(channels, 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(channels, 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(channels, 10) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw answers per anchor.

        Args:
            x: [N3HW] normalised picture, H and W multiples of 32.

        Returns:
            [NA4] box offsets, [NA2] logits (no face, face) and [NA10] landmark offsets.
        """
        maps = self.fpn(*self.body(x))
        features = [ssh(m) for ssh, m in zip((self.ssh1, self.ssh2, self.ssh3), maps, strict=True)]
        boxes, logits, landmarks = (
            torch.cat([head(f) for head, f in zip(heads, features, strict=True)], dim=1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return boxes, logits, landmarks


class ServedRetinaFace(nn.Module):
    """The network as the engines run it: uint8 pictures in, scores out, norms folded."""

    mean: Tensor
    scale: Tensor

    def __init__(self, net: RetinaFaceNet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval()
        _fold_norms(self.net)
        if net.backbone == "mobilenet0.25":
            # Trained on BGR with these means; the first layer takes RGB once its weights are
            # turned round.
            first = self.net.get_submodule("body.stage1.0.0")
            assert isinstance(first, nn.Conv2d)
            first.weight = nn.Parameter(first.weight.flip(1), requires_grad=False)
            mean, deviation = [123.0, 117.0, 104.0], [1.0, 1.0, 1.0]
        else:  # ImageNet's
            mean, deviation = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[NHW3] uint8 RGB to [NA4] box offsets, [NA] face scores, [NA10] landmark offsets."""
        x = images.permute(0, 3, 1, 2).to(self.mean.dtype)
        boxes, logits, landmarks = self.net((x - self.mean) * self.scale)
        return boxes, logits.softmax(dim=2)[:, :, 1], landmarks


def _fold_norms(module: nn.Module) -> None:
    """Folds every normalisation into the convolution before it."""
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (name, first), (next_name, second) in itertools.pairwise(children):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(first, second))
                setattr(parent, next_name, nn.Identity())


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def load_retinaface(path: Path, backbone: str) -> RetinaFaceNet:
    """Reads a published file, frozen and in float32.

    Raises:
        ConfigError: there is no such backbone.
        EngineError: the file is missing, damaged, or not of this network; names the keys.
    """
    net = RetinaFaceNet(backbone)
    load_strictly(net, read_state_dict(path), path)
    return net.eval().requires_grad_(False)


def export_retinaface(path: Path, backbone: str) -> bytes:
    """A published file as an ONNX model for pictures of any size.

    Input `images`: uint8 (N, H, W, 3) RGB, H and W multiples of 32. Outputs `boxes` (N, A, 4),
    `scores` (N, A) and `landmarks` (N, A, 10) float32, see
    `streamfer.vision.detection.retinaface.decode_retinaface`.

    Raises:
        ConfigError: there is no such backbone.
        EngineError: the file is missing, damaged, or not of this network.
    """
    return export_onnx(
        ServedRetinaFace(load_retinaface(path, backbone)),
        [torch.zeros(2, 96, 64, 3, dtype=torch.uint8)],
        input_names=["images"],
        output_names=["boxes", "scores", "landmarks"],
        side_multiple=32,
    )
