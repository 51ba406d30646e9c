"""The alignment of FFHQ, which published face generators and their encoders expect.

A square that shows the whole head, placed by the eyes and the mouth (Karras et al., *A Style-Based
Generator Architecture for Generative Adversarial Networks*, 2019, appendix A; the published
`recreate_aligned_images` of FFHQ). The crop that our own networks take is a part of it.
"""

from __future__ import annotations

import numpy as np

from streamfer.engine import TensorSpec
from streamfer.geometry import FACE_TEMPLATE, similarity_transform, square_face_box
from streamfer.types import AlignedFace, Detection, FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE, align_face, landmarks_reliable, warp_face

PORTRAIT_SIZE = 256
"""Side in pixels of the portraits that published encoders take."""
_EYES_IN_HALF, _MOUTH_IN_HALF = 2.0, 1.8
"""Half the square's side is the larger of these times the distances between the eyes, and from
eyes to mouth."""
_CENTRE_TO_MOUTH = 0.1
"""The square's centre lies so far from the eyes on the way to the mouth."""


def portrait_square(landmarks: FloatArray) -> FloatArray:
    """Top left, top right and bottom left corner of the square around a head, (3, 2) float32.

    Args:
        landmarks: (5, 2), see `Detection.landmarks`.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks.astype(np.float64)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    # Halfway between the eyes' own direction and that across the line from eyes to mouth.
    right = across + np.array([down[1], -down[0]])
    half = max(_EYES_IN_HALF * np.hypot(*across), _MOUTH_IN_HALF * np.hypot(*down))
    right *= half / max(float(np.hypot(*right)), 1e-6)
    bottom = np.array([-right[1], right[0]])
    centre = eyes + _CENTRE_TO_MOUTH * down
    corners = [centre - right - bottom, centre + right - bottom, centre - right + bottom]
    return np.array(corners, dtype=np.float32)


def template_in_portrait() -> tuple[float, float, float]:
    """Left, top and side of our own crop as fractions of the portrait, for a face that has the
    template's proportions."""
    top_left, top_right, _ = portrait_square(FACE_TEMPLATE)
    side = float(top_right[0] - top_left[0])
    return -float(top_left[0]) / side, -float(top_left[1]) / side, 1 / side


def align_portrait(
    image: UInt8Array, detection: Detection, size: int = PORTRAIT_SIZE
) -> AlignedFace:
    """Warps a head onto FFHQ's square, in colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        detection: the face in that image; without reliable landmarks its box is used.
        size: side of the crop in pixels.

    Returns:
        The face with a (size, size, 3) uint8 RGB image; beyond the frame the edge pixels repeat.
    """
    points = detection.landmarks
    if not landmarks_reliable(detection):
        left, top, right, _ = square_face_box(detection.box_xyxy)
        points = FACE_TEMPLATE * max(float(right - left), 1e-3) + np.array([left, top])
    corners = np.array([[0, 0], [1, 0], [0, 1]]) * size - 0.5
    matrix = similarity_transform(portrait_square(points), corners)
    crop = warp_face(image, matrix, size)
    return AlignedFace(detection=detection, image=crop, frame_to_crop=matrix)


def align_for(spec: TensorSpec, image: UInt8Array, detection: Detection) -> AlignedFace:
    """The crop that a face network takes: our own in gray, or a portrait in colour.

    Args:
        spec: the network's input, see `crop_shape`.
        image: (H, W, 3) uint8 RGB.
        detection: the face in that image.
    """
    if takes_portraits(spec):
        return align_portrait(image, detection, crop_shape(spec)[0])
    return align_face(image, detection)


def crop_shape(spec: TensorSpec) -> tuple[int, ...]:
    """The shape of one crop for a face network: our own, (64, 64), or a portrait, (S, S, 3).

    Args:
        spec: the network's input, uint8; portraits have a fixed side.
    """
    _, *sides = spec.shape
    fixed = tuple(side for side in sides if side is not None)
    return fixed if len(fixed) == 3 else (FACE_SIZE, FACE_SIZE)


def takes_portraits(spec: TensorSpec) -> bool:
    """Whether a face network takes portraits in colour."""
    return len(crop_shape(spec)) == 3
