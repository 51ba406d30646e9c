from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import onnx
import pytest

from streamfer.errors import EngineError
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.vision.detection.centerface import (
    CenterFace,
    centerface_file,
    centerface_onnx,
    decode_centerface,
)
from streamfer.vision.detection.detector import places_above
from tests.support.faces import count_detections, dlib_pictures, read_rgb
from tests.support.shared import shared_file


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))


@pytest.fixture(scope="module")
def detector(model: OnnxModel) -> Iterator[CenterFace]:
    detector = CenterFace(OnnxRuntimeEngine(model, threads=1))
    yield detector
    detector.close()


def maps(rows: int = 8, columns: int = 10) -> dict[str, np.ndarray]:
    channels = {"heatmap": 1, "scale": 2, "offset": 2, "landmarks": 10}
    return {
        name: np.zeros((2, count, rows, columns), dtype=np.float32)
        for name, count in channels.items()
    }


def test_decode_reads_box_and_landmarks_of_a_cell() -> None:
    outputs = maps()
    cell = (1, slice(None), 3, 5)
    outputs["heatmap"][cell] = 0.9
    outputs["scale"][cell] = np.log([6, 4])  # height 24 px, width 16 px
    outputs["offset"][cell] = [0.25, -0.25]
    outputs["landmarks"][cell] = [0.5, 0.25, 0.5, 0.75, 0.6, 0.5, 0.8, 0.3, 0.8, 0.7]
    found = decode_centerface(places_above(outputs, 1, "heatmap", 0.5), columns=10)
    # Centre: x = (5 − 0.25 + 0.5) · 4 = 21, y = (3 + 0.25 + 0.5) · 4 = 15.
    np.testing.assert_allclose(found.boxes_xyxy, [[13, 3, 29, 27]], atol=1e-5)
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_allclose(
        found.landmarks,
        [[[17, 15], [25, 15], [21, 17.4], [17.8, 22.2], [24.2, 22.2]]],
        atol=1e-5,
    )


def test_decode_of_an_empty_map_has_the_right_shapes() -> None:
    found = decode_centerface(places_above(maps(), 0, "heatmap", 0.5), columns=10)
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.landmarks.shape == (0, 5, 2)


def test_cleaned_model_takes_any_batch_and_size(model: OnnxModel) -> None:
    engine = OnnxRuntimeEngine(model, threads=1)
    for batch, height, width in [(1, 32, 32), (3, 96, 160)]:
        images = np.zeros((batch, height, width, 3), dtype=np.uint8)
        outputs = engine.run({"images": images})
        assert {name: array.shape for name, array in outputs.items()} == {
            "heatmap": (batch, 1, height // 4, width // 4),
            "scale": (batch, 2, height // 4, width // 4),
            "offset": (batch, 2, height // 4, width // 4),
            "landmarks": (batch, 10, height // 4, width // 4),
        }


def test_cleaned_model_lists_no_weights_as_inputs_and_is_reproducible(model: OnnxModel) -> None:
    graph = onnx.load_model_from_string(model.data).graph
    assert [value.name for value in graph.input] == ["images"]
    assert centerface_onnx(centerface_file()) == model.data


@pytest.mark.parametrize("broken", [b"", b"not a model", centerface_file()[:1000]])
def test_a_broken_file_is_named(broken: bytes) -> None:
    with pytest.raises(EngineError, match="centerface: not the published model"):
        centerface_onnx(broken)


def test_dlib_faces(detector: CenterFace) -> None:
    count = count_detections(detector, dlib_pictures())
    assert count.found >= 17
    assert count.extra <= 2
    assert count.landmark_error < 0.06


def test_five_faces(detector: CenterFace) -> None:
    (faces,) = detector.detect([read_rgb("media/multi_face.jpg")])
    assert len(faces) == 5
    assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)
    for face in faces:
        eye_left, eye_right, nose, mouth_left, mouth_right = face.landmarks
        assert eye_left[0] < eye_right[0]
        assert mouth_left[0] < mouth_right[0]
        assert max(eye_left[1], eye_right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_a_small_picture_is_enlarged_and_mapped_back(detector: CenterFace) -> None:
    image = read_rgb("media/single_face.jpg")
    (large,), (small,) = detector.detect([image, np.ascontiguousarray(image[::4, ::4])])
    np.testing.assert_allclose(small.box_xyxy * 4, large.box_xyxy, atol=24)


@pytest.mark.parametrize(
    ("clip", "every", "faces", "share"),
    [("no_face.mp4", 4, 0, 0.97), ("WolfgangLanger_Pexels.mp4", 16, 1, 0.98)],
)
def test_clips(detector: CenterFace, clip: str, every: int, faces: int, share: float) -> None:
    right = total = 0
    with av.open(str(shared_file(f"media/{clip}"))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                (found,) = detector.detect([frame.to_ndarray(format="rgb24")])
                right += len(found) == faces
                total += 1
    assert right / total >= share
