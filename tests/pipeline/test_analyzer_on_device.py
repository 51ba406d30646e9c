"""The whole analyzer on a device against the one on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from streamfer.app.networks.detectors import centerface_model
from streamfer.models.retinaface import ServedRetinaFace, load_retinaface
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, ServedFaceVGG, load_face_vgg
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.backends.torch import TorchCudaEngine
from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.reader import DeviceFaceReader
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FrameResult, UInt8Array
from streamfer.vision.detection.centerface import CenterFace
from streamfer.vision.detection.detector import DetectorConfig
from streamfer.vision.detection.retinaface import ANCHOR_SIZES, RetinaFace, RetinaFaceConfig
from streamfer.vision.face_reader import FaceReader, HostFaceReader
from tests.support.analysed import make_frame
from tests.support.blobs import RETINAFACE_SPECS, SmallFaceNetwork, blob_picture
from tests.support.devices import device_links
from tests.support.faces import read_rgb
from tests.support.graph_engines import HostGraphEngine
from tests.support.queues import HostLink
from tests.support.readers import device_reader, host_reader
from tests.support.results import assert_same_results
from tests.support.shared import shared_file
from tests.support.torch_engines import torch_engine


@pytest.fixture(params=device_links())
def link(request: pytest.FixtureRequest) -> DeviceLink:
    return request.param()  # type: ignore[no-any-return]


def analysed(
    reader: FaceReader,
    streams: dict[str, Sequence[UInt8Array]],
    batch: int,
    detect_every: int | Literal["auto"] = "auto",
) -> list[FrameResult]:
    """Plays streams of equal length side by side, `batch` frames of each at a time."""
    analyzer = Analyzer(reader, AnalyzerConfig(detect_every=detect_every))
    results: list[FrameResult] = []
    for first in range(0, len(next(iter(streams.values()))), batch):
        results += analyzer(
            [
                make_frame(first + step, image, stream=name)
                for name, images in streams.items()
                for step, image in enumerate(images[first : first + batch])
            ]
        )
    return results


@pytest.mark.parametrize("every", ["auto", 1, 3])
def test_networks_made_by_hand_say_the_same(link: DeviceLink, every: int | Literal["auto"]) -> None:
    wandering = [
        blob_picture((640, 384), [(164.0 + 4 * i, 124.0), (452.0, 252.0 - 4 * i)])
        for i in range(12)
    ]
    streams = {"a": wandering, "b": wandering[::-1]}
    ours = analysed(device_reader(link), streams, 2, every)
    theirs = analysed(host_reader(), streams, 2, every)
    assert sum(len(result.faces) for result in ours) == 2 * 24
    assert_same_results(ours, theirs, atol_px=0.01, atol_probs=1e-3)


def clip(name: str, count: int) -> list[UInt8Array]:
    """The first frames of a shared clip."""

    def frames() -> Iterator[UInt8Array]:
        capture = cv2.VideoCapture(str(shared_file(f"media/{name}")))
        while (read := capture.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)

    return list(islice(frames(), count))


def scenes() -> dict[str, Sequence[UInt8Array]]:
    """Faces of two sizes."""
    return {"one": clip("single_face.mp4", 6), "five": [read_rgb("media/multi_face.jpg")] * 6}


def shipped_face_engine(link: DeviceLink) -> TorchCudaEngine:
    def served() -> ServedFaceVGG:
        return ServedFaceVGG(load_face_vgg(SHIPPED_FACE_WEIGHTS))

    inputs, outputs = SmallFaceNetwork.SPECS
    return torch_engine("face", served, (inputs, outputs[:2]), link)


def assert_same_answers(
    ours: Sequence[FrameResult], theirs: Sequence[FrameResult], atol_px: float, atol_probs: float
) -> None:
    """Crops differ by a fifth of a gray level, as OpenCV rounds after every step: that moves the
    logits by hundredths, which only a face between two classes shows."""
    assert_same_results(ours, theirs, atol_px=atol_px, atol_probs=atol_probs)
    differences = [
        np.abs(left.probs - right.probs).mean()
        for a, b in zip(ours, theirs, strict=True)
        for left, right in zip(a.faces, b.faces, strict=True)
    ]
    assert np.mean(differences) <= atol_probs / 10


def test_centerface_and_the_classifier_say_the_same_of_real_faces(tmp_path: Path) -> None:
    """CenterFace exists as an ONNX file only, so ONNX Runtime poses as its GPU engine."""
    model = centerface_model(EngineStore(tmp_path))
    config = DetectorConfig(long_side=320, score_threshold=0.35)
    host = HostLink()
    face = shipped_face_engine(host)
    on_host = HostFaceReader(CenterFace(OnnxRuntimeEngine(model, threads=1), config), face)
    on_device = DeviceFaceReader(CenterFace(HostGraphEngine(model), config), face, host)
    ours, theirs = analysed(on_device, scenes(), 3), analysed(on_host, scenes(), 3)
    assert sum(len(result.faces) for result in theirs) >= 6 * 5
    assert_same_answers(ours, theirs, atol_px=0.1, atol_probs=0.04)


def test_retinaface_and_the_classifier_say_the_same_of_real_faces(link: DeviceLink) -> None:
    weights = shared_file("weights/retinaface_mobilenet0.25.pth")

    def served() -> ServedRetinaFace:
        return ServedRetinaFace(load_retinaface(weights, "mobilenet0.25"))

    def detector(where: DeviceLink) -> RetinaFace:
        engine = torch_engine("retinaface", served, RETINAFACE_SPECS, where)
        config = RetinaFaceConfig(long_side=320, score_threshold=0.5)
        return RetinaFace(engine, ANCHOR_SIZES["mobilenet0.25"], config)

    host = HostLink()
    on_host = HostFaceReader(detector(host), shipped_face_engine(host))
    on_device = DeviceFaceReader(detector(link), shipped_face_engine(link), link)
    ours, theirs = analysed(on_device, scenes(), 3), analysed(on_host, scenes(), 3)
    assert sum(len(result.faces) for result in theirs) >= 6 * 5
    # GPUs multiply in TF32, whose rounding is coarser than the resizing's.
    atol_px, atol_probs = (0.2, 0.04) if link.device.type == "cpu" else (1.0, 0.05)
    assert_same_answers(ours, theirs, atol_px=atol_px, atol_probs=atol_probs)
