from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from streamfer.app.networks.face_reader import open_face_reader
from streamfer.runtime.device.reader import DeviceFaceReader
from streamfer.vision.face_reader import HostFaceReader
from tests.support.detectors import FakeDetector
from tests.support.devices import cuda_link
from tests.support.engines import FakeEngine
from tests.support.queues import HostLink
from tests.support.readers import blob_detector, small_face_engine


def test_networks_on_the_host_read_there() -> None:
    engine = FakeEngine(lambda inputs: {})
    assert isinstance(open_face_reader(FakeDetector(), engine), HostFaceReader)


def test_an_engine_that_takes_no_tensors_reads_on_the_host() -> None:
    engine = FakeEngine(lambda inputs: {})
    engine.device = "cuda:0"
    assert isinstance(open_face_reader(FakeDetector(), engine), HostFaceReader)


def test_a_gpus_engine_reads_there() -> None:
    engine = small_face_engine(HostLink())
    engine.device = "cuda:0"  # as far as the choice can see
    reader = open_face_reader(blob_detector(HostLink()), engine)
    assert isinstance(reader, DeviceFaceReader)
    assert reader.detection is None  # its detector works elsewhere


@pytest.mark.gpu
def test_a_real_gpus_networks_both_work_there() -> None:
    link = cuda_link()
    detector, engine = blob_detector(link), small_face_engine(link)
    reader = open_face_reader(detector, engine)
    assert isinstance(reader, DeviceFaceReader)
    assert reader.detection is not None
    assert reader.take([np.zeros((64, 64, 3), np.uint8)]).detect([0]) == [[]]


def test_without_a_gpu_torch_is_not_loaded() -> None:
    code = (
        "import sys\n"
        "import streamfer.app.session.build, streamfer.pipeline.analyzer\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
