"""How pictures reach the networks of a run: on the host, or once and for all on the GPU."""

from __future__ import annotations

from streamfer.engine import Engine
from streamfer.vision.detection.detector import Detector
from streamfer.vision.face_reader import FaceReader, HostFaceReader
from streamfer.vision.portrait import takes_portraits


def open_face_reader(detector: Detector, face_engine: Engine) -> FaceReader:
    """The reader that suits the networks: on the GPU where the face network runs there, unless it
    takes portraits, which are cut on the host.

    Args:
        detector: finds faces.
        face_engine: reads them.
    """
    (spec,) = face_engine.inputs
    if not face_engine.device.startswith("cuda") or takes_portraits(spec):
        return HostFaceReader(detector, face_engine)
    from streamfer.runtime.backends.graph_engine import GraphEngine
    from streamfer.runtime.device.link import CudaLink
    from streamfer.runtime.device.reader import DeviceFaceReader

    if not isinstance(face_engine, GraphEngine):
        return HostFaceReader(detector, face_engine)
    return DeviceFaceReader(detector, face_engine, CudaLink(face_engine.device))


def picture_path(detector_device: str, face_device: str) -> str:
    """Which way `open_face_reader` takes pictures, for people.

    Args:
        detector_device: of the detector: `cpu` or `cuda:N`.
        face_device: of the face network.
    """
    if not face_device.startswith("cuda"):
        return "pictures stay in the host's memory: the face network runs there"
    if detector_device == face_device:
        return (
            f"a picture is uploaded to {face_device} once; detection, alignment and the face"
            " network work on it there"
        )
    return (
        f"a picture with faces is uploaded to {face_device} once; alignment and the face network"
        " work on it there, the detector on the host"
    )
