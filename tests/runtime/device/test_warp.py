"""Alignment on a device against the one on the host."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.pictures import DevicePictures, PictureUploader
from streamfer.runtime.device.warp import warp_faces
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE, warp_face
from tests.support.devices import device_links
from tests.support.faces import read_rgb
from tests.support.queues import HostLink


@pytest.fixture(params=device_links())
def link(request: pytest.FixtureRequest) -> DeviceLink:
    return request.param()  # type: ignore[no-any-return]


def similarity(scale: float, angle: float, centre: tuple[float, float]) -> FloatArray:
    """Frame to crop; `centre` of the frame comes to the middle of the crop."""
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    shift = np.full(2, FACE_SIZE / 2) - turn @ centre
    return np.concatenate([turn, shift[:, None]], axis=1).astype(np.float32)


def random_similarities(
    rng: np.random.Generator, count: int, image: UInt8Array, scales: tuple[float, float]
) -> list[FloatArray]:
    """Of faces all over the picture, a tenth of them beyond its border."""
    height, width = image.shape[:2]
    return [
        similarity(
            math.exp(rng.uniform(*np.log(scales))),
            rng.uniform(-math.pi, math.pi),
            (rng.uniform(-0.05, 1.05) * width, rng.uniform(-0.05, 1.05) * height),
        )
        for _ in range(count)
    ]


def host_crops(image: UInt8Array, matrices: list[FloatArray]) -> UInt8Array:
    crops = [cv2.cvtColor(warp_face(image, m), cv2.COLOR_RGB2GRAY) for m in matrices]
    return np.stack(crops)


def device_crops(
    link: DeviceLink, images: list[UInt8Array], members: list[int], matrices: list[FloatArray]
) -> UInt8Array:
    pictures = DevicePictures(images, PictureUploader(link))
    return warp_faces(pictures, members, matrices).cpu().numpy()


def noise(height: int, width: int) -> UInt8Array:
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("scales", "most", "mean"),
    [((1.0, 4.0), 5, 0.75), ((0.5, 1.0), 5, 0.75), ((0.25, 0.5), 3, 0.45), ((0.05, 0.25), 2, 0.3)],
)
def test_noise_comes_out_as_from_the_host(
    link: DeviceLink, scales: tuple[float, float], most: int, mean: float
) -> None:
    """The worst there is: every pixel differs from its neighbours by as much as can be."""
    image = noise(400, 500)
    matrices = random_similarities(np.random.default_rng(1), 16, image, scales)
    ours = device_crops(link, [image], [0] * 16, matrices).astype(int)
    difference = np.abs(ours - host_crops(image, matrices))
    assert difference.max() <= most
    assert difference.mean(axis=(1, 2)).max() <= mean


def test_photographs_come_out_as_from_the_host(link: DeviceLink) -> None:
    image = read_rgb("media/multi_face.jpg")
    matrices = random_similarities(np.random.default_rng(2), 60, image, (0.1, 3.0))
    ours = device_crops(link, [image], [0] * 60, matrices).astype(int)
    difference = np.abs(ours - host_crops(image, matrices))
    assert difference.max() <= 4
    assert difference.mean(axis=(1, 2)).max() <= 0.35


def test_faces_of_all_pictures_come_out_in_their_order(link: DeviceLink) -> None:
    images = [noise(200, 300), noise(90, 120), noise(480, 640)]
    members = [2, 0, 1, 2, 0]
    scales = [0.9, 0.3, 2.0, 0.1, 0.9]
    matrices = [similarity(scale, 0.3, (60.0, 50.0)) for scale in scales]
    ours = device_crops(link, images, members, matrices).astype(int)
    for crop, member, matrix in zip(ours, members, matrices, strict=True):
        assert np.abs(crop - host_crops(images[member], [matrix])[0]).max() <= 5


def test_beyond_the_frame_the_edge_repeats(link: DeviceLink) -> None:
    image = np.full((50, 60, 3), 200, dtype=np.uint8)
    far_off = [similarity(1.0, 0.0, place) for place in ((-900, 20), (5000, -5000), (30, 25))]
    others = noise(30, 30)  # what lies beside the picture in memory
    crops = device_crops(link, [others, image, others], [1, 1, 1], far_off)
    assert (crops == 200).all()


def test_more_samples_than_fit_are_gathered_in_parts(
    link: DeviceLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(300, 300)
    matrices = [similarity(scale, 1.0, (140, 150)) for scale in (0.9, 0.2, 0.4, 1.1, 0.1)]
    whole = device_crops(link, [image], [0] * 5, matrices)
    monkeypatch.setattr("streamfer.runtime.device.warp._MOST_SAMPLES", 5000)
    np.testing.assert_array_equal(device_crops(link, [image], [0] * 5, matrices), whole)


def test_only_pictures_with_faces_are_uploaded() -> None:
    link = HostLink()
    uploader = PictureUploader(link)
    pictures = DevicePictures([noise(40, 40)] * 4, uploader)
    for _ in range(2):
        warp_faces(pictures, [1, 3, 1], [similarity(1.0, 0.0, (20, 20))] * 3)
    assert link.sent == 2
