"""Every face of a large picture, with the real detector: crowds, paintings, photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamfer.engine import Array
from streamfer.geometry import lean_degrees
from streamfer.pipeline.analyzer import Analyzer
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.types import Detection, Frame, FrameResult, UInt8Array
from streamfer.vision.align import landmarks_reliable
from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx
from streamfer.vision.detection.served import SERVED
from streamfer.vision.detection.suppression import on_same_head
from streamfer.vision.face_reader import HostFaceReader
from tests.support.crowds import Faces, count_found, crowd, empty_place
from tests.support.engines import FakeEngine
from tests.support.faces import count_detections, dlib_pictures, read_rgb


@pytest.fixture(scope="module")
def detector() -> Iterator[CenterFace]:
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    detector = CenterFace(OnnxRuntimeEngine(model), SERVED)
    yield detector
    detector.close()


def reported(detector: CenterFace, image: UInt8Array) -> list[Detection]:
    """What a photograph is reported to show: see `TrackerConfig`."""
    (faces,) = detector.detect([image])
    return [face for face in faces if face.score >= 0.5 or landmarks_reliable(face)]


@pytest.mark.parametrize(
    ("faces", "face_px", "at_least"),
    [
        ("photographs", 96, 72),
        ("photographs", 64, 71),
        ("photographs", 48, 70),
        ("photographs", 36, 64),
        ("fer2013", 96, 70),
        ("fer2013", 64, 68),
        ("fer2013", 48, 62),
        ("fer2013", 36, 62),
    ],
)
def test_a_crowd_is_found_in_one_picture(
    detector: CenterFace, faces: Faces, face_px: int, at_least: int
) -> None:
    people = crowd(face_px, faces)
    found, extra = count_found(reported(detector, people.image), people.squares_xyxy)
    assert found >= at_least
    assert extra <= 1


@pytest.mark.parametrize(
    ("painting", "least", "most"),
    [
        ("girl_with_a_pearl_earring", 1, 1),
        ("self_portrait_in_a_straw_hat", 1, 1),
        ("lady_with_an_ermine", 1, 1),
        ("american_gothic", 2, 2),
        ("sistine_madonna", 6, 6),
        ("birth_of_venus", 4, 4),
        ("last_supper", 11, 13),
    ],
)
def test_no_head_of_a_painting_has_two_boxes(
    detector: CenterFace, painting: str, least: int, most: int
) -> None:
    faces = reported(detector, read_rgb(f"media/art/{painting}.jpg"))
    assert least <= len(faces) <= most
    assert not any(on_same_head(a, b) for i, a in enumerate(faces) for b in faces[:i])


def test_photographs_are_as_before(detector: CenterFace) -> None:
    count = count_detections(detector, dlib_pictures())
    assert count.found == 18
    assert count.extra <= 1
    assert count.landmark_error < 0.06
    assert len(reported(detector, read_rgb("media/multi_face.jpg"))) == 5


def test_an_empty_place_is_empty(detector: CenterFace) -> None:
    assert reported(detector, empty_place(5)) == []


def face_engine() -> FakeEngine:
    """Says the same of every face."""

    def answer(inputs: dict[str, Array]) -> dict[str, Array]:
        probs = np.full((len(inputs["faces"]), 7), 1 / 7, dtype=np.float32)
        return {"probs_ferplus": probs, "probs_fer2013": probs}

    return FakeEngine(answer)  # type: ignore[arg-type]


def frames(images: list[UInt8Array], rate: int) -> list[Frame]:
    return [
        Frame("hall", index, index, Fraction(1, rate), index / rate, 0.0, image)
        for index, image in enumerate(images)
    ]


def analysed(detector: CenterFace, images: list[UInt8Array], rate: int) -> list[FrameResult]:
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    return [result for frame in frames(images, rate) for result in analyzer([frame])]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize(("picture", "heads"), [("multi_face.jpg", 5), ("dlib/2008_001322.jpg", 3)])
def test_a_picture_that_lies_or_hangs_shows_the_same_heads(
    detector: CenterFace, picture: str, heads: int, turns: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(read_rgb(f"media/{picture}"), turns))
    (result,) = analysed(detector, [turned], 25)
    assert len(result.faces) == heads
    lean = lean_degrees(np.stack([face.detection.landmarks for face in result.faces]))
    assert np.abs((lean + 90 * turns + 180) % 360 - 180).max() < 60


@pytest.mark.parametrize("turns", [1, 2])
def test_a_camera_that_lies_or_hangs_finds_the_same_heads(detector: CenterFace, turns: int) -> None:
    turned = np.ascontiguousarray(np.rot90(read_rgb("media/multi_face.jpg"), turns))
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    live = [replace(frame, wall="now") for frame in frames([turned] * 60, 12)]
    results = [analyzer([frame])[0] for frame in live]
    assert {len(result.faces) for result in results[40:]} == {5}


def test_a_crowd_that_appears_in_a_video_is_found_within_a_second(detector: CenterFace) -> None:
    people, before, rate = crowd(36), empty_place(), 15
    results = analysed(detector, [before] * 4 + [people.image] * (rate + 8), rate)
    shown = [[face.detection for face in result.faces] for result in results]
    assert shown[3] == []
    # From then on none is lost by looks that cannot see it.
    for faces in shown[4 + rate :]:
        found, extra = count_found(faces, people.squares_xyxy)
        assert found >= 64
        assert extra <= 1
    tracks = {face.track_id for result in results for face in result.faces}
    assert len(tracks) <= 73
