"""From pictures to faces and what the face network says of them: the seam between host and GPU.

The analyzer sees pictures through a `FaceReader`. The one here keeps them in the host's memory and
serves every backend; `streamfer.runtime.device.reader` keeps them on a GPU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streamfer.engine import Array, Engine
from streamfer.types import Detection, UInt8Array
from streamfer.vision.detection.detector import Detector, EngineDetector
from streamfer.vision.detection.search import Search
from streamfer.vision.portrait import align_for


@dataclass(frozen=True, slots=True, eq=False)
class FaceReadings:
    """What the face network says of some faces, in the host's memory."""

    crops: UInt8Array = field(repr=False)
    """(n, S, S) uint8 gray or (n, S, S, 3) uint8 RGB aligned faces."""
    answers: Mapping[str, Array] = field(repr=False)
    """Output → (n, …), those that were asked for and that the network has."""


class FaceBatch(Protocol):
    """Aligned faces, ready for the face network."""

    def read(self, outputs: Collection[str]) -> FaceReadings:
        """Runs the face network on all of them at once.

        Args:
            outputs: names of the outputs that are wanted, as far as the network has them.

        Raises:
            EngineError: the network failed.
        """
        ...


class PictureBatch(Protocol):
    """Pictures of any sizes, where the networks can reach them."""

    def detect(
        self, members: Sequence[int], searches: Sequence[Search] | None = None
    ) -> list[list[Detection]]:
        """Finds the faces of some of the pictures; see `Detector.detect`.

        Args:
            members: which pictures.
            searches: where to look in each of them, as far as the detector can choose; None for
                everywhere.

        Raises:
            EngineError: the detector failed.
        """
        ...

    def align(self, members: Sequence[int], faces: Sequence[Detection]) -> FaceBatch:
        """Warps faces onto the template; see `streamfer.vision.align.align_face`.

        Args:
            members: for each face, which picture it is in.
            faces: one or more.

        Raises:
            EngineError: the device failed.
        """
        ...


class FaceReader(Protocol):
    """Finds and reads the faces of pictures. Used by one thread at a time."""

    def take(self, images: Sequence[UInt8Array]) -> PictureBatch:
        """Takes pictures in.

        Args:
            images: (H, W, 3) uint8 RGB each, unchanged for as long as the batch is used.
        """
        ...


class HostFaceReader:
    """Works on pictures in the host's memory, with engines of any backend.

    Args:
        detector: finds faces.
        face_engine: the network that reads aligned faces: `faces` (N, S, S) uint8 in, or portraits
            (N, S, S, 3).
    """

    def __init__(self, detector: Detector, face_engine: Engine) -> None:
        self._detector = detector
        self._face_engine = face_engine

    def take(self, images: Sequence[UInt8Array]) -> PictureBatch:
        """See `FaceReader.take`."""
        return _HostPictures(images, self._detector, self._face_engine)


class _HostPictures:
    def __init__(
        self, images: Sequence[UInt8Array], detector: Detector, face_engine: Engine
    ) -> None:
        self._images = images
        self._detector = detector
        self._face_engine = face_engine

    def detect(
        self, members: Sequence[int], searches: Sequence[Search] | None = None
    ) -> list[list[Detection]]:
        return detect_on_host(self._detector, [self._images[i] for i in members], searches)

    def align(self, members: Sequence[int], faces: Sequence[Detection]) -> FaceBatch:
        pairs = zip(members, faces, strict=True)
        (spec,) = self._face_engine.inputs
        crops = [align_for(spec, self._images[i], face).image for i, face in pairs]
        return _HostFaces(np.stack(crops), self._face_engine)


class _HostFaces:
    def __init__(self, crops: UInt8Array, face_engine: Engine) -> None:
        self._crops = crops
        self._face_engine = face_engine

    def read(self, outputs: Collection[str]) -> FaceReadings:
        answers = self._face_engine.run({"faces": self._crops})
        return FaceReadings(self._crops, {n: a for n, a in answers.items() if n in outputs})


def detect_on_host(
    detector: Detector, images: Sequence[UInt8Array], searches: Sequence[Search] | None
) -> list[list[Detection]]:
    """Finds the faces of pictures in the host's memory; other detectors than those of this package
    look everywhere."""
    if isinstance(detector, EngineDetector):
        return detector.detect(images, searches)
    return detector.detect(images)
