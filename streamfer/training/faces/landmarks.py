"""Where the faces of a data set are: found once, as a run finds those of a photograph, then cached.

Rows are keyed by the picture's pixels, so a cache fits any file that holds the same pictures and
can be handed to a machine that has no detector.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamfer.errors import ConfigError
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.tracking.tracker import TrackerConfig
from streamfer.training.data_summary import DataSummary
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.whole_file import make_folder, whole_file
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE, crop_matrix, warp_face, whole_picture
from streamfer.vision.detection.search_plan import SMALLEST_INPUT_PX
from streamfer.vision.detection.served import SERVED

if TYPE_CHECKING:
    from streamfer.vision.detection.centerface import CenterFace

log = logging.getLogger(__name__)

_ADMISSION = TrackerConfig()
"""What a run takes for a face in a picture that it sees for the first time."""
_FINDER = f"centerface {SERVED} {SMALLEST_INPUT_PX} {_ADMISSION}"
"""How the faces of a cache were found: those found in another way are placed otherwise."""
_BATCH = 64
_DIGEST_BYTES = 16


@dataclass(slots=True, eq=False)
class LandmarkCache:
    """Detections by picture; None where the detector found no face."""

    found: dict[bytes, Detection | None] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> LandmarkCache:
        """Reads what `save` wrote; of faces that were found in another way nothing is taken.

        Raises:
            ConfigError: the file is not such a cache.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                finder = str(arrays["finder"]) if "finder" in arrays else ""
                keys, scores = arrays["keys"], arrays["scores"]
                boxes, landmarks = arrays["boxes_xyxy"], arrays["landmarks"]
        except NO_ARRAYS as error:
            raise ConfigError(f"{path}: not a landmark cache: {error}") from error
        if finder != _FINDER:
            log.warning("%s: its faces were found in another way; they are found anew", path)
            return cls()
        return cls(
            {
                key.tobytes(): Detection(box, float(score), points) if score > 0 else None
                for key, box, score, points in zip(keys, boxes, scores, landmarks, strict=True)
            }
        )

    def save(self, path: Path) -> None:
        """Writes the cache as NPZ, whole or not at all: `keys` (n, 16) uint8, `boxes_xyxy`,
        `scores`, `landmarks`, and `finder`, how they were found.

        Raises:
            OutputError: the file cannot be written.
        """
        absent = Detection(np.zeros(4, np.float32), 0.0, np.zeros((5, 2), np.float32))
        rows = [detection or absent for detection in self.found.values()]
        with whole_file(path) as file:  # given a name, numpy would append a suffix
            np.savez_compressed(
                file,
                finder=_FINDER,
                keys=np.array([np.frombuffer(key, np.uint8) for key in self.found]),
                boxes_xyxy=np.array([row.box_xyxy for row in rows], np.float32),
                scores=np.array([row.score for row in rows], np.float32),
                landmarks=np.array([row.landmarks for row in rows], np.float32),
            )

    def complete(self, pictures: Sequence[UInt8Array]) -> int:
        """Runs the detector on the pictures that the cache lacks; returns how many they were."""
        missing = {key: p for p in pictures if (key := picture_key(p)) not in self.found}
        keys = list(missing)
        if keys:
            detector = make_detector()
            for start in range(0, len(keys), _BATCH):
                part = keys[start : start + _BATCH]
                images = [cv2.cvtColor(missing[key], cv2.COLOR_GRAY2RGB) for key in part]
                for key, faces in zip(part, detector.detect(images), strict=True):
                    self.found[key] = best_face(faces)
            detector.close()
        return len(keys)

    def detection(self, picture: UInt8Array) -> Detection | None:
        """The face of a picture that the cache was completed for; None where none was found."""
        return self.found.get(picture_key(picture))

    def faceless(self, pictures: Sequence[UInt8Array]) -> list[int]:
        """Which of the pictures have no face that was found, by their number."""
        return [i for i, picture in enumerate(pictures) if self.detection(picture) is None]

    def matrices(self, pictures: Sequence[UInt8Array]) -> FloatArray:
        """(n, 2, 3) float32: each picture's pixels to those of its aligned crop.

        Where no face was found the picture itself is taken for the crop, as FER2013's are.
        """
        rows = []
        for picture in pictures:
            detection = self.found.get(picture_key(picture)) or whole_picture(picture)
            rows.append(crop_matrix(detection, FACE_SIZE))
        return np.array(rows, dtype=np.float32)


def best_face(found: Sequence[Detection]) -> Detection | None:
    """What a run would take for the picture's first face, of what the detector found in it, best
    score first."""
    return next(filter(_ADMISSION.may_be_new, found), None)


def open_landmarks(path: Path | None, pictures: Sequence[UInt8Array]) -> LandmarkCache:
    """The cache at `path`, completed for the pictures and written back if it grew.

    Args:
        path: an NPZ file, which need not exist; None keeps nothing.
        pictures: (H, W) uint8 gray each.

    Raises:
        ConfigError: the file exists and is not a landmark cache.
        OutputError: it has to be written and cannot be.
    """
    if path:  # now, not after an hour of looking for faces
        make_folder(path.parent)
    cache = LandmarkCache.load(path) if path and path.exists() else LandmarkCache()
    if cache.complete(pictures) and path:
        cache.save(path)
    return cache


def summary_of(faces: LabelledFaces, cache: LandmarkCache) -> DataSummary:
    """What was read, and the pictures in which no face was found."""
    names = tuple(faces.names[row] for row in cache.faceless(faces.pictures))
    return dataclasses.replace(faces.summary, faceless=names)


def align_pictures(pictures: Sequence[UInt8Array], cache: LandmarkCache) -> UInt8Array:
    """(n, 64, 64) uint8 aligned crops, as serving makes them."""
    matrices = cache.matrices(pictures)
    pairs = zip(pictures, matrices, strict=True)
    return np.array([warp_face(picture, matrix) for picture, matrix in pairs], dtype=np.uint8)


def picture_key(picture: UInt8Array) -> bytes:
    """16 bytes that name a picture by its size and pixels."""
    digest = hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=_DIGEST_BYTES)
    digest.update(str(picture.shape).encode())
    return digest.digest()


def make_detector() -> CenterFace:
    """CenterFace on ONNX Runtime, with a run's settings."""
    # Imported here: training runs without the serving stack when the cache is complete.
    from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
    from streamfer.runtime.model import OnnxModel
    from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx

    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    return CenterFace(OnnxRuntimeEngine(model), SERVED)
