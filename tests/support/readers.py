"""Face readers with networks made by hand, on the host and on a device."""

from __future__ import annotations

from streamfer.runtime.backends.torch import TorchCudaEngine
from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.reader import DeviceFaceReader
from streamfer.vision.detection.centerface import CenterFace
from streamfer.vision.detection.detector import DetectorConfig
from streamfer.vision.face_reader import HostFaceReader
from tests.support.blobs import BlobDetector, SmallFaceNetwork
from tests.support.queues import HostLink
from tests.support.torch_engines import torch_engine


def small_face_engine(link: DeviceLink) -> TorchCudaEngine:
    return torch_engine("face", SmallFaceNetwork, SmallFaceNetwork.SPECS, link)


def blob_detector(link: DeviceLink) -> CenterFace:
    engine = torch_engine("blobs", BlobDetector, BlobDetector.SPECS, link)
    return CenterFace(engine, DetectorConfig(long_side=320, max_enlarge=1.0))


def device_reader(link: DeviceLink) -> DeviceFaceReader:
    return DeviceFaceReader(blob_detector(link), small_face_engine(link), link)


def host_reader() -> HostFaceReader:
    host = HostLink()
    return HostFaceReader(blob_detector(host), small_face_engine(host))
