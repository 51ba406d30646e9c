"""Our networks against the published ones.

`fixtures/retinaface_*.npz` holds what biubug6's Face-Detector-1MB-with-landmark and ternaus's
retinaface-pytorch 0.0.8 answered, in float64, with the weights that `plain_weights` makes;
`*_keys.json` holds the names and shapes in their files.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError, EngineError
from streamfer.models.retinaface import (
    RetinaFaceNet,
    ServedRetinaFace,
    export_retinaface,
    load_retinaface,
)
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.vision.detection.retinaface import ANCHOR_SIZES, RetinaFace, RetinaFaceConfig
from tests.support.faces import count_detections, dlib_pictures
from tests.support.published import FIXTURES, plain_weights
from tests.support.shared import shared_file

BACKBONES = ("mobilenet0.25", "resnet50")
MOBILENET_FILE = "weights/retinaface_mobilenet0.25.pth"


def published_keys(backbone: str) -> dict[str, list[int]]:
    return json.loads((FIXTURES / f"retinaface_{backbone}_keys.json").read_text())


@functools.cache
def published_weights(backbone: str) -> dict[str, torch.Tensor]:
    return plain_weights(published_keys(backbone))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_keys_are_the_published_ones(backbone: str) -> None:
    own = RetinaFaceNet(backbone).state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == published_keys(backbone)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_answers_are_the_published_ones(backbone: str) -> None:
    net = RetinaFaceNet(backbone).double().eval()
    net.load_state_dict(published_weights(backbone))
    picture = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 64, 32)))
    with torch.no_grad():
        answers = net(picture)
    with np.load(FIXTURES / f"retinaface_{backbone}.npz") as recorded:
        for ours, name in zip(answers, ("boxes", "logits", "landmarks"), strict=True):
            theirs = recorded[name]
            assert np.abs(ours.numpy() - theirs).max() < 1e-6 * np.abs(theirs).max()


@pytest.mark.parametrize(
    ("backbone", "mean", "deviation", "bgr"),
    [
        ("mobilenet0.25", [104, 117, 123], [1, 1, 1], True),
        ("resnet50", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375], False),
    ],
)
def test_serving_prepares_pictures_as_the_training_did(
    backbone: str, mean: list[float], deviation: list[float], bgr: bool
) -> None:
    net = RetinaFaceNet(backbone)
    net.load_state_dict(published_weights(backbone))
    net = net.double().eval()
    images = torch.randint(0, 256, (2, 32, 64, 3), generator=torch.Generator().manual_seed(0))
    x = images.double().flip(-1) if bgr else images.double()
    x = (x - torch.tensor(mean)) / torch.tensor(deviation)
    with torch.no_grad():
        boxes, logits, landmarks = net(x.permute(0, 3, 1, 2))
        served = ServedRetinaFace(net).double()(images.to(torch.uint8))
    for ours, theirs in zip(served, (boxes, logits.softmax(2)[..., 1], landmarks), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ConfigError, match="RetinaFace has no backbone 'vgg'"):
        RetinaFaceNet("vgg")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mobile.pth"
    torch.save(RetinaFaceNet("mobilenet0.25").state_dict(), path)
    with pytest.raises(EngineError, match=r"mobile\.pth: not the weights of this network"):
        load_retinaface(path, "resnet50")


def test_the_published_file_finds_dlibs_faces() -> None:
    path = shared_file(MOBILENET_FILE)
    model = OnnxModel.from_bytes("retinaface", export_retinaface(path, "mobilenet0.25"))
    engine = OnnxRuntimeEngine(model, threads=1)
    detector = RetinaFace(
        engine, ANCHOR_SIZES["mobilenet0.25"], RetinaFaceConfig(score_threshold=0.7)
    )
    count = count_detections(detector, dlib_pictures())
    assert count.found >= 17
    assert count.extra <= 2
    assert count.landmark_error < 0.06
    served = ServedRetinaFace(load_retinaface(path, "mobilenet0.25"))
    for size in ((1, 32, 32, 3), (3, 64, 160, 3)):
        images = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        exported = engine.run({"images": images})
        for name, tensor in zip(exported, served(torch.from_numpy(images)), strict=True):
            np.testing.assert_allclose(exported[name], tensor.numpy(), atol=1e-4, rtol=1e-3)
    detector.close()
