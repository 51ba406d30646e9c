"""Tracking on the benchmark clip with the real detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
import pytest

from streamfer.geometry import box_iou
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.tracking.tracker import TrackedFace, Tracker
from streamfer.types import Detection
from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx
from tests.support.shared import shared_file

EVERY = 5
"""Frames from one detection to the next, the most that 200 ms allow at 24 frames/s."""


@dataclass(slots=True)
class ClipRun:
    """The clip tracked once, and what the detector says where the tracker had to carry longest."""

    faces: list[list[TrackedFace]] = field(default_factory=list)
    carried: list[tuple[Detection, Detection]] = field(default_factory=list)
    """Pairs (carried, detected) of the last frame before each detection."""


@pytest.fixture(scope="module")
def detector() -> Iterator[CenterFace]:
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    detector = CenterFace(OnnxRuntimeEngine(model, threads=1))
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def run(detector: CenterFace) -> ClipRun:
    run, tracker = ClipRun(), Tracker()
    with av.open(str(shared_file("media/WolfgangLanger_Pexels.mp4"))) as container:
        for index, picture in enumerate(container.decode(video=0)):
            image = picture.to_ndarray(format="rgb24")
            detections = detector.detect([image])[0] if index % EVERY == 0 else None
            faces = tracker.update(image, float(picture.time), detections)
            run.faces.append(faces)
            if index % EVERY == EVERY - 1 and len(faces) == 1:
                run.carried.append((faces[0].detection, detector.detect([image])[0][0]))
    return run


def test_one_number_from_start_to_end(run: ClipRun) -> None:
    assert len(run.faces) == 472
    assert {face.track_id for faces in run.faces for face in faces} == {1}
    assert all(len(faces) == 1 for faces in run.faces)


def test_carried_boxes_are_those_that_the_detector_finds(run: ClipRun) -> None:
    overlaps = [box_iou(a.box_xyxy, b.box_xyxy)[0, 0] for a, b in run.carried]
    assert len(overlaps) == 94
    assert min(overlaps) >= 0.8
    assert np.median(overlaps) >= 0.95


def test_carried_landmarks_are_those_that_the_detector_finds(run: ClipRun) -> None:
    errors = [
        np.linalg.norm(a.landmarks - b.landmarks, axis=1).mean() / (b.box_xyxy[2] - b.box_xyxy[0])
        for a, b in run.carried
    ]
    assert np.median(errors) <= 0.02
    assert np.percentile(errors, 95) <= 0.04


def test_crops_jitter_less_than_detections(run: ClipRun) -> None:
    """Second differences of the landmarks, against those of the detector alone."""
    tracked = np.array([faces[0].detection.landmarks for faces in run.faces])
    width = np.mean([np.ptp(faces[0].detection.box_xyxy[::2]) for faces in run.faces])
    jitter = np.abs(np.diff(tracked, n=2, axis=0)).mean() / width
    assert jitter < 0.007  # the detector on every frame: 0.0095
