from __future__ import annotations

import numpy as np

from streamfer.types import UInt8Array
from streamfer.vision.detection.detector import places_above
from streamfer.vision.detection.retinaface import (
    ANCHOR_SIZES,
    RetinaFace,
    RetinaFaceConfig,
    decode_retinaface,
    make_anchors,
)
from tests.support.engines import FakeEngine

SIZES = ANCHOR_SIZES["mobilenet0.25"]


def test_anchors_follow_strides_rows_columns_and_sizes() -> None:
    anchors = make_anchors(64, 32, SIZES)
    assert anchors.shape == ((8 * 4 + 4 * 2 + 2 * 1) * 2, 3)
    np.testing.assert_array_equal(anchors[:4], [[4, 4, 10], [4, 4, 20], [12, 4, 10], [12, 4, 20]])
    np.testing.assert_array_equal(anchors[16], [4, 12, 10])  # the second row
    np.testing.assert_array_equal(anchors[64], [8, 8, 32])  # the second stride
    np.testing.assert_array_equal(anchors[-1], [48, 16, 256])


def outputs(count: int) -> dict[str, np.ndarray]:
    return {
        "boxes": np.zeros((2, count, 4), np.float32),
        "scores": np.zeros((2, count), np.float32),
        "landmarks": np.zeros((2, count, 10), np.float32),
    }


def test_decode_undoes_the_training_code() -> None:
    anchors = make_anchors(64, 32, SIZES)
    answer = outputs(len(anchors))
    answer["scores"][1, 64] = 0.9  # centre (8, 8), side 32
    answer["boxes"][1, 64] = [1, -0.5, np.log(2) / 0.2, np.log(0.5) / 0.2]
    answer["landmarks"][1, 64] = [-1, -1, 1, -1, 0, 0, -1, 1, 1, 1]
    found = decode_retinaface(places_above(answer, 1, "scores", 0.5), anchors)
    # Centre (8 + 3.2, 8 − 1.6), 64 wide, 16 high.
    np.testing.assert_allclose(found.boxes_xyxy, [[-20.8, -1.6, 43.2, 14.4]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_allclose(
        found.landmarks,
        [[[4.8, 4.8], [11.2, 4.8], [8, 8], [4.8, 11.2], [11.2, 11.2]]],
        rtol=1e-5,
    )


def test_decode_of_nothing_has_the_right_shapes() -> None:
    anchors = make_anchors(64, 32, SIZES)
    nowhere = places_above(outputs(len(anchors)), 0, "scores", 0.5)
    found = decode_retinaface(nowhere, anchors)
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


def test_anchors_fit_the_networks_input() -> None:
    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        _, height, width, _ = inputs["images"].shape
        made = outputs(len(make_anchors(width, height, SIZES)))
        made["scores"][0, -1] = 0.9  # the last cell's larger anchor
        return made

    picture: UInt8Array = np.zeros((100, 200, 3), np.uint8)
    config = RetinaFaceConfig(long_side=64)
    (found,) = RetinaFace(FakeEngine(answer), SIZES, config).detect([picture])  # type: ignore[arg-type]
    # The network sees 64 × 32; the anchor's box is cut to the frame.
    np.testing.assert_allclose(found[0].box_xyxy, [0, 0, 200, 100])
    np.testing.assert_allclose(found[0].landmarks[0], [150, 50])
