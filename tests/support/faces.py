"""The annotated photographs among the shared test data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import cv2
import numpy as np

from streamfer.geometry import box_iou
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.detection.detector import Detector
from tests.support.shared import shared_file

_IBUG_68 = {"eyes": (slice(36, 42), slice(42, 48)), "nose": 30, "mouth": (48, 54)}


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPicture:
    image: UInt8Array
    boxes_xyxy: FloatArray
    landmarks: FloatArray
    """(n, 5, 2) px, in the order of `Detection.landmarks`."""
    points: FloatArray
    """(n, 68, 2) px, iBUG's."""


def read_rgb(relative: str) -> UInt8Array:
    """A shared picture, (H, W, 3) uint8 RGB."""
    return cv2.cvtColor(cv2.imread(str(shared_file(relative))), cv2.COLOR_BGR2RGB)


def dlib_pictures() -> list[AnnotatedPicture]:
    """dlib's four photographs with 18 faces."""
    root = ElementTree.parse(shared_file("media/dlib/training_with_face_landmarks.xml")).getroot()
    return [_picture(element) for element in root.iter("image")]


def _picture(element: ElementTree.Element) -> AnnotatedPicture:
    boxes, landmarks, all_points = [], [], []
    for box in element.iter("box"):
        left, top, width, height = (int(box.get(k, "")) for k in ("left", "top", "width", "height"))
        boxes.append([left, top, left + width, top + height])
        points = np.array([[int(p.get("x", "")), int(p.get("y", ""))] for p in box.iter("part")])
        all_points.append(points)
        eyes = [points[part].mean(axis=0) for part in _IBUG_68["eyes"]]
        mouth = [points[i] for i in _IBUG_68["mouth"]]
        landmarks.append(np.stack([*eyes, points[_IBUG_68["nose"]], *mouth]))
    return AnnotatedPicture(
        read_rgb(f"media/dlib/{element.get('file')}"),
        np.array(boxes, dtype=np.float32),
        np.array(landmarks, dtype=np.float32),
        np.array(all_points, dtype=np.float32),
    )


@dataclass(frozen=True, slots=True)
class DetectionCount:
    found: int
    extra: int
    landmark_error: float
    """Mean distance of found landmarks from the annotated ones, as a fraction of the box."""


def count_detections(detector: Detector, pictures: Sequence[AnnotatedPicture]) -> DetectionCount:
    """Matches detections one to one with the annotated faces (IoU over 0.3: dlib's boxes are
    tighter than a detector's)."""
    found, total, errors = 0, 0, []
    for picture in pictures:
        (faces,) = detector.detect([picture.image])
        total += len(faces)
        free = list(faces)
        for box, points in zip(picture.boxes_xyxy, picture.landmarks, strict=True):
            match = _best_match(box, free)
            if match is not None:
                free.remove(match)
                found += 1
                distance = np.linalg.norm(match.landmarks - points, axis=1).mean()
                errors.append(distance / (box[2] - box[0]))
    return DetectionCount(found, total - found, float(np.mean(errors)))


def _best_match(box: FloatArray, faces: Sequence[Detection]) -> Detection | None:
    overlaps = [float(box_iou(box, face.box_xyxy)[0, 0]) for face in faces]
    if not overlaps or max(overlaps) <= 0.3:
        return None
    return faces[int(np.argmax(overlaps))]
