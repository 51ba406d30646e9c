"""The whole analyzer on a device against the one on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import pytest

from streamfer.app.detectors import centerface_model
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, ServedFaceVGG, load_face_vgg
from streamfer.pipeline.analyzer import Analyzer, AnalyzerConfig
from streamfer.runtime.device_link import DeviceLink
from streamfer.runtime.device_reader import DeviceFaceReader
from streamfer.runtime.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.store import EngineStore
from streamfer.types import FrameResult, UInt8Array
from streamfer.vision.centerface import CenterFace
from streamfer.vision.detector import DetectorConfig
from streamfer.vision.face_reader import FaceReader, HostFaceReader
from tests.support.analysed import make_frame
from tests.support.blobs import SmallFaceNetwork, blob_picture
from tests.support.devices import device_links, torch_engine
from tests.support.faces import read_rgb
from tests.support.graph_engines import HostGraphEngine
from tests.support.queues import HostLink
from tests.support.readers import device_reader, host_reader
from tests.support.results import assert_same_results
from tests.support.shared import shared_file


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
def test_networks_made_by_hand_say_the_same(
    link: DeviceLink, every: int | Literal["auto"], monkeypatch: pytest.MonkeyPatch
) -> None:
    wandering = [
        blob_picture((640, 384), [(164.0 + 4 * i, 124.0), (452.0, 252.0 - 4 * i)])
        for i in range(12)
    ]
    streams = {"a": wandering, "b": wandering[::-1]}
    ours = analysed(device_reader(link, monkeypatch), streams, 2, every)
    theirs = analysed(host_reader(monkeypatch), streams, 2, every)
    assert sum(len(result.faces) for result in ours) == 2 * 24
    assert_same_results(ours, theirs, atol_px=0.01, atol_probs=1e-3)


def clip(name: str, count: int) -> list[UInt8Array]:
    """The first frames of a shared clip."""

    def frames() -> Iterator[UInt8Array]:
        capture = cv2.VideoCapture(str(shared_file(f"media/{name}")))
        while (read := capture.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)

    return list(islice(frames(), count))


def test_the_shipped_networks_say_the_same_of_a_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CenterFace and the shipped classifier on real faces of two sizes, at float32."""
    model = centerface_model(EngineStore(tmp_path))
    config = DetectorConfig(long_side=320, score_threshold=0.35)
    host = HostLink()

    def served() -> ServedFaceVGG:
        return ServedFaceVGG(load_face_vgg(SHIPPED_FACE_WEIGHTS))

    inputs, outputs = SmallFaceNetwork.SPECS
    face = torch_engine("face", served, (inputs, outputs[:2]), host, monkeypatch)
    on_host = HostFaceReader(CenterFace(OnnxRuntimeEngine(model, threads=1), config), face)
    on_device = DeviceFaceReader(CenterFace(HostGraphEngine(model), config), face, host)
    streams = {"one": clip("single_face.mp4", 8), "five": [read_rgb("media/multi_face.jpg")] * 8}
    ours, theirs = analysed(on_device, streams, 4), analysed(on_host, streams, 4)
    assert sum(len(result.faces) for result in theirs) >= 6 * 7
    assert_same_results(ours, theirs, atol_px=0.5, atol_probs=0.03)
