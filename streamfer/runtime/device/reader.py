"""From pictures to readings on a GPU: what comes back are boxes, crops and answers.

A picture is uploaded once, as uint8. Resizing for the detector, the choice of the places worth a
look, alignment of all faces of all streams, encoder and classifier run on the device.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from streamfer.runtime.backends.graph_engine import GraphEngine
from streamfer.runtime.device.detection import DeviceDetection, device_detection
from streamfer.runtime.device.link import DeviceLink, device_errors
from streamfer.runtime.device.pictures import DevicePictures, PictureUploader
from streamfer.runtime.device.warp import warp_faces
from streamfer.types import Detection, UInt8Array
from streamfer.vision.align import crop_matrix
from streamfer.vision.detection.detector import Detector
from streamfer.vision.detection.search import Search
from streamfer.vision.face_reader import (
    FaceBatch,
    FaceReadings,
    PictureBatch,
    detect_on_host,
)


class DeviceFaceReader:
    """A `streamfer.vision.face_reader.FaceReader` on a device.

    Args:
        detector: finds faces; on the device where its network runs there, else on the host.
        face_engine: the network that reads aligned faces, on the device.
        link: to the device.
    """

    def __init__(self, detector: Detector, face_engine: GraphEngine, link: DeviceLink) -> None:
        self.detector = detector
        self.face_engine = face_engine
        self.link = link
        self.detection: DeviceDetection | None = device_detection(detector, link)
        """None where the detector works on the host."""
        self._uploader = PictureUploader(link)

    def take(self, images: Sequence[UInt8Array]) -> PictureBatch:
        """See `FaceReader.take`."""
        with device_errors(self.link.device):
            return _Pictures(self, images, DevicePictures(images, self._uploader))


class _Pictures:
    def __init__(
        self, reader: DeviceFaceReader, images: Sequence[UInt8Array], pictures: DevicePictures
    ) -> None:
        self._reader = reader
        self._images = images
        self._pictures = pictures

    def detect(
        self, members: Sequence[int], searches: Sequence[Search] | None = None
    ) -> list[list[Detection]]:
        reader = self._reader
        if reader.detection is None:
            return detect_on_host(reader.detector, [self._images[i] for i in members], searches)
        with device_errors(reader.link.device):
            return reader.detection.detect(self._pictures, members, searches)

    def align(self, members: Sequence[int], faces: Sequence[Detection]) -> FaceBatch:
        with device_errors(self._reader.link.device):
            crops = warp_faces(self._pictures, members, [crop_matrix(face) for face in faces])
        return _Faces(self._reader, crops)


class _Faces:
    def __init__(self, reader: DeviceFaceReader, crops: Tensor) -> None:
        self._reader = reader
        self._crops = crops

    def read(self, outputs: Collection[str]) -> FaceReadings:
        link = self._reader.link
        with device_errors(link.device):
            answers = self._reader.face_engine.enqueue({"faces": self._crops})
            names = [name for name in answers if name in outputs]
            crops, *values = link.fetch([self._crops, *(answers[name] for name in names)])
        return FaceReadings(crops, dict(zip(names, values, strict=True)))
