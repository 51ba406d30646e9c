"""Face readers with networks made by hand, on the host and on a device."""

from __future__ import annotations

import pytest

from streamfer.runtime.device_link import DeviceLink
from streamfer.runtime.device_reader import DeviceFaceReader
from streamfer.runtime.torch import TorchCudaEngine
from streamfer.vision.centerface import CenterFace
from streamfer.vision.detector import DetectorConfig
from streamfer.vision.face_reader import HostFaceReader
from tests.support.blobs import BlobDetector, SmallFaceNetwork
from tests.support.devices import torch_engine
from tests.support.queues import HostLink


def small_face_engine(link: DeviceLink, patch: pytest.MonkeyPatch) -> TorchCudaEngine:
    return torch_engine("face", SmallFaceNetwork, SmallFaceNetwork.SPECS, link, patch)


def blob_detector(link: DeviceLink, patch: pytest.MonkeyPatch) -> CenterFace:
    engine = torch_engine("blobs", BlobDetector, BlobDetector.SPECS, link, patch)
    return CenterFace(engine, DetectorConfig(long_side=320, max_enlarge=1.0))


def device_reader(link: DeviceLink, patch: pytest.MonkeyPatch) -> DeviceFaceReader:
    return DeviceFaceReader(blob_detector(link, patch), small_face_engine(link, patch), link)


def host_reader(patch: pytest.MonkeyPatch) -> HostFaceReader:
    host = HostLink()
    return HostFaceReader(blob_detector(host, patch), small_face_engine(host, patch))
