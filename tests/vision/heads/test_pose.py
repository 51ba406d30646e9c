from __future__ import annotations

from contextlib import closing

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamfer.geometry import box_iou
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx
from streamfer.vision.heads.pose import MEAN_FACE, PoseHead, pose_degrees
from tests.support.faces import dlib_pictures
from tests.support.results import face_result

FloatMatrix = NDArray[np.float64]


def turned(yaw: float, pitch: float, roll: float, scale: float = 1.0) -> FloatArray:
    """The mean face's landmarks, turned and seen from far away, (5, 2) px."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    points = MEAN_FACE @ (about_z @ about_x @ about_y).T
    return (points[:, :2] * scale + [320, 180]).astype(np.float32)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"),
    [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -25, 0), (0, 0, 40), (0, 0, -170)],
)
def test_a_turned_mean_face_is_read_exactly(
    yaw: float, pitch: float, roll: float, scale: float
) -> None:
    angles = pose_degrees(turned(yaw, pitch, roll, scale))
    np.testing.assert_allclose(angles, [yaw, pitch, roll], atol=0.01)


def test_signs_are_those_of_the_picture() -> None:
    to_the_right, up, clockwise = turned(30, 0, 0), turned(0, 20, 0), turned(0, 0, 15)
    middle = (to_the_right[0] + to_the_right[1]) / 2
    assert to_the_right[2, 0] > middle[0]  # the nose is to the right of the middle of the eyes
    straight = turned(0, 0, 0)
    assert up[2, 1] - up[0, 1] < straight[2, 1] - straight[0, 1]  # the nose is nearer to the eyes
    assert clockwise[1, 1] > clockwise[0, 1]  # the eye on the right is lower


_ONE_NAN = np.where(np.arange(10).reshape(5, 2) == 7, np.nan, turned(10, 0, 0))
_A_LINE = np.outer(np.arange(5), [2.0, 1.0])


@pytest.mark.parametrize(
    "points",
    [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf), _ONE_NAN, _A_LINE],
)
def test_landmarks_that_are_no_face_give_no_answer(points: FloatArray) -> None:
    assert np.isnan(pose_degrees(points.astype(np.float32))).all()


def test_the_nearest_rotation_is_that_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(0)
    fit = np.linalg.pinv(MEAN_FACE - MEAN_FACE.mean(axis=0))
    for _ in range(100):
        points = turned(*rng.uniform(-60, 60, 3), 1.0) + rng.normal(0, 8, (5, 2))
        left, _, right = np.linalg.svd(
            (fit @ (points - points.mean(axis=0))).T, full_matrices=False
        )
        across, down = left @ right
        expected = np.arctan2(-across[2], np.cross(across, down)[2]), np.arcsin(down[2])
        np.testing.assert_allclose(pose_degrees(points)[:2], np.degrees(expected), atol=1e-6)


def test_the_head_answers_for_every_face() -> None:
    crops: UInt8Array = np.zeros((2, 64, 64), np.uint8)
    answers = PoseHead().read(crops, [face_result(1), face_result(2, x=5)])
    assert [set(answer) for answer in answers] == [{"yaw", "pitch", "roll"}] * 2
    assert abs(answers[0]["yaw"]) < 0.1


MODEL_14 = {
    17: (-6.825897, -6.760612, -4.402142), 21: (-1.330353, -7.122144, -6.903745),
    22: (1.330353, -7.122144, -6.903745), 26: (6.825897, -6.760612, -4.402142),
    36: (-5.311432, -5.485328, -3.987654), 39: (-1.789930, -5.393625, -4.413414),
    42: (1.789930, -5.393625, -4.413414), 45: (5.311432, -5.485328, -3.987654),
    31: (-2.005628, -1.409845, -6.165652), 35: (2.005628, -1.409845, -6.165652),
    48: (-2.774015, 2.080775, -5.048531), 54: (2.774015, 2.080775, -5.048531),
    57: (0.0, 3.116408, -6.097667), 8: (0.0, 7.415691, -4.070434),
}  # fmt: skip
"""cm: 14 of the 68 points on an anthropometric head, to the right, downwards, away."""


def reference_degrees(points: FloatArray, width: int, height: int) -> FloatMatrix:
    """Yaw, pitch and roll to the line of sight, by PnP on the annotated points.

    The camera is taken to see as wide an angle as its picture is wide at a focal length of one
    picture's width.
    """
    model = np.array(list(MODEL_14.values()))
    seen = points[list(MODEL_14)].astype(np.float64)
    camera = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], dtype=np.float64)
    _, turn, shift = cv2.solvePnP(model, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    _, turn, shift = cv2.solvePnP(model, seen, camera, None, turn, shift, useExtrinsicGuess=True)
    line = shift.ravel() / np.linalg.norm(shift)
    axis = np.cross(line, [0, 0, 1])
    onto_axis, _ = cv2.Rodrigues(axis / np.linalg.norm(axis) * np.arccos(line[2]))
    rotation = onto_axis @ cv2.Rodrigues(turn)[0]
    looks = -rotation[:, 2]
    return np.degrees(
        [
            np.arctan2(looks[0], -looks[2]),
            np.arcsin(-looks[1]),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )


def test_errors_on_photographs_are_those_of_the_documentation() -> None:
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    errors = []
    with closing(CenterFace(OnnxRuntimeEngine(model, threads=1))) as detector:
        for picture in dlib_pictures():
            height, width = picture.image.shape[:2]
            (found,) = detector.detect([picture.image])
            overlaps = box_iou(picture.boxes_xyxy, [face.box_xyxy for face in found])
            for points, row in zip(picture.points, overlaps, strict=True):
                if row.max() > 0.3:
                    angles = pose_degrees(found[int(row.argmax())].landmarks)
                    errors.append(np.abs(angles - reference_degrees(points, width, height)))
    assert len(errors) >= 17
    yaw, pitch, roll = np.median(errors, axis=0)
    assert yaw <= 6
    assert pitch <= 4
    assert roll <= 5
