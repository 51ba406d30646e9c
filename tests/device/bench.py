"""How long the device path takes: `python -m tests.device.bench`.

Needs torch, numpy, OpenCV and a GPU, nothing else: pictures are made up, and the networks have
random weights, which take as long as trained ones. Where their packages are missing, smaller
networks made by hand stand in, and the output says so. `streamfer bench` measures the whole
program.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from streamfer.runtime.backends.graph_engine import GraphEngine
from streamfer.runtime.device.link import CudaLink, DeviceLink
from streamfer.runtime.device.pictures import DevicePictures, PictureUploader
from streamfer.runtime.device.reader import DeviceFaceReader
from streamfer.runtime.device.resize import Resizer
from streamfer.runtime.device.warp import warp_faces
from streamfer.runtime.model import Precision
from streamfer.types import Detection, UInt8Array
from streamfer.vision.align import align_face, crop_matrix
from streamfer.vision.detection.centerface import CenterFace
from streamfer.vision.detection.detector import Detector, DetectorConfig
from streamfer.vision.detection.retinaface import ANCHOR_SIZES, RetinaFace, RetinaFaceConfig
from tests.support.blobs import RETINAFACE_SPECS, BlobDetector, SmallFaceNetwork
from tests.support.queues import HostLink
from tests.support.results import detection
from tests.support.torch_engines import Specs, torch_engine

NETWORK_WH = (640, 352)
_NOBODY = 2.0
"""A score that no place reaches: random networks find nothing, and nothing is suppressed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one step took, in milliseconds."""

    step: str
    median_ms: float
    p95_ms: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0", help="cuda:N, or cpu to try it out")
    parser.add_argument("--size", default="1920x1080", help="of the pictures")
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 4, 16], help="in a batch")
    parser.add_argument("--faces", type=int, default=2, help="in a picture")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args(arguments)
    link: DeviceLink = HostLink() if options.device == "cpu" else CudaLink(options.device)
    width, height = (int(side) for side in options.size.split("x"))
    print(f"{_describe(link)}; torch {torch.__version__}; pictures of {width} × {height}")
    reader = DeviceFaceReader(open_detector(link), open_face_engine(link), link)
    print(f"detector {reader.detector.name}, face network {reader.face_engine.name}")
    for count in options.pictures:
        timings = measure(reader, (width, height), count, options.faces, options.rounds)
        print(f"\n{count} pictures, {count * options.faces} faces: median and p95, ms")
        for timing in timings:
            print(f"  {timing.step:42}{timing.median_ms:9.3f}{timing.p95_ms:9.3f}")
        whole = timings[-1].median_ms
        print(f"  {count / whole * 1000:.0f} pictures/s through the whole path")


def measure(
    reader: DeviceFaceReader, size_wh: tuple[int, int], count: int, faces: int, rounds: int
) -> list[Timing]:
    """Times each step on a batch, and at last the whole path.

    Args:
        reader: with its networks.
        size_wh: of the pictures.
        count: pictures.
        faces: in each of them.
        rounds: measurements of each step.
    """
    rng = np.random.default_rng(0)
    width, height = size_wh
    images = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]
    members = [i for i in range(count) for _ in range(faces)]
    found = [_face(rng, size_wh) for _ in members]
    matrices = [crop_matrix(face) for face in found]
    uploader, resize = PictureUploader(reader.link), Resizer(reader.link.device)
    pictures = DevicePictures(images, uploader)
    pictures.ensure(range(count))
    crops = warp_faces(pictures, members, matrices)

    def whole() -> None:
        batch = reader.take(images)
        batch.detect(range(count))
        batch.align(members, found).read(("probs_ferplus", "latent"))

    steps: dict[str, Callable[[], object]] = {
        "upload": lambda: DevicePictures(images, uploader).ensure(range(count)),
        "resize for the detector": lambda: [
            resize(pictures.picture(i), NETWORK_WH) for i in range(count)
        ],
        "detection, with resize and way back": lambda: reader.take(images).detect(range(count)),
        "alignment": lambda: warp_faces(pictures, members, matrices),
        "alignment by OpenCV on the host": lambda: _align_on_host(images, members, found),
        "face network": lambda: reader.face_engine.enqueue({"faces": crops}),
        "whole path: picture to boxes and answers": whole,
    }
    return [_time(step, work, reader.link, rounds) for step, work in steps.items()]


def open_detector(link: DeviceLink) -> Detector:
    """RetinaFace MobileNet-0.25, or what stands in for it."""
    try:
        from streamfer.models.retinaface import RetinaFaceNet, ServedRetinaFace
    except ImportError:
        engine = _open("made-up detector", BlobDetector, BlobDetector.SPECS, link)
        return CenterFace(engine, DetectorConfig(score_threshold=_NOBODY))
    name = "retinaface-mobilenet0.25"
    network = lambda: ServedRetinaFace(RetinaFaceNet("mobilenet0.25"))  # noqa: E731
    config = RetinaFaceConfig(score_threshold=_NOBODY)
    return RetinaFace(
        _open(name, network, RETINAFACE_SPECS, link), ANCHOR_SIZES["mobilenet0.25"], config
    )


def open_face_engine(link: DeviceLink) -> GraphEngine:
    """VGG19 at full width, or what stands in for it."""
    inputs, outputs = SmallFaceNetwork.SPECS
    try:
        from streamfer.models.vgg import FaceVGG, FaceVGGConfig, ServedFaceVGG
    except ImportError:
        return _open("made-up face network", SmallFaceNetwork, (inputs, outputs), link)
    network = lambda: ServedFaceVGG(FaceVGG(FaceVGGConfig(width=1.0)))  # noqa: E731
    return _open("vgg19 at full width", network, (inputs, outputs[:2]), link)


def _open(
    name: str, network: Callable[[], nn.Module], specs: Specs, link: DeviceLink
) -> GraphEngine:
    """In half precision on a GPU."""
    precision: Precision = "fp16" if link.device.type == "cuda" else "fp32"
    return torch_engine(name, network, specs, link, precision)


def _face(rng: np.random.Generator, size_wh: tuple[int, int]) -> Detection:
    """Somewhere in the picture, a tenth to a third of its height."""
    size = rng.uniform(0.1, 0.33) * size_wh[1]
    return detection(rng.uniform(0, size_wh[0] - size), rng.uniform(0, size_wh[1] - size), size)


def _align_on_host(
    images: Sequence[UInt8Array], members: Sequence[int], faces: Sequence[Detection]
) -> None:
    for member, face in zip(members, faces, strict=True):
        align_face(images[member], face)


def _time(step: str, work: Callable[[], object], link: DeviceLink, rounds: int) -> Timing:
    def waited_ms() -> float:
        began = time.perf_counter()
        work()
        if link.device.type == "cuda":
            torch.cuda.synchronize(link.device)
        return (time.perf_counter() - began) * 1000

    for _ in range(max(rounds // 10, 1)):
        waited_ms()
    taken = [waited_ms() for _ in range(rounds)]
    return Timing(step, float(np.median(taken)), float(np.quantile(taken, 0.95)))


def _describe(link: DeviceLink) -> str:
    return torch.cuda.get_device_name(link.device) if link.device.type == "cuda" else "the host"


if __name__ == "__main__":
    main()
