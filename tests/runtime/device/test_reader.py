"""Pictures read on a device against pictures read on the host, with networks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.runtime.device.detection import best_places
from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.reader import DeviceFaceReader
from streamfer.types import UInt8Array
from streamfer.vision.detection.detector import places_above
from streamfer.vision.face_reader import FaceReader, HostFaceReader
from tests.support.blobs import blob_picture
from tests.support.detectors import FakeDetector
from tests.support.devices import device_links
from tests.support.queues import HostLink
from tests.support.readers import device_reader, host_reader, small_face_engine
from tests.support.results import assert_same_faces, detection

OUTPUTS = ("probs_ferplus", "latent")


@pytest.fixture(params=device_links())
def link(request: pytest.FixtureRequest) -> DeviceLink:
    return request.param()  # type: ignore[no-any-return]


@pytest.fixture
def on_device(link: DeviceLink) -> DeviceFaceReader:
    return device_reader(link)


@pytest.fixture
def on_host() -> HostFaceReader:
    return host_reader()


def pictures() -> list[UInt8Array]:
    """Of two network sizes, with two faces, none and one."""
    return [
        blob_picture((640, 384), [(164, 124), (452, 252)]),
        blob_picture((320, 320), []),
        blob_picture((640, 640), [(300, 308)], seed=1),
    ]


def test_the_same_faces_are_found(on_device: FaceReader, on_host: FaceReader) -> None:
    images = pictures()
    for members in ([0, 1, 2], [2, 0], []):
        ours = on_device.take(images).detect(members)
        theirs = on_host.take(images).detect(members)
        assert [len(faces) for faces in ours] == [[2, 0, 1][i] for i in members]
        for found, expected in zip(ours, theirs, strict=True):
            assert_same_faces(found, expected, atol_px=0.01)


def test_the_same_is_read_of_them(on_device: FaceReader, on_host: FaceReader) -> None:
    images = pictures()
    faces = on_host.take(images).detect([0, 1, 2])
    members = [i for i, found in enumerate(faces) for _ in found]
    flat = [face for found in faces for face in found]
    ours = on_device.take(images).align(members, flat).read(OUTPUTS)
    theirs = on_host.take(images).align(members, flat).read(OUTPUTS)
    assert ours.crops.shape == (3, 64, 64)
    assert np.abs(ours.crops.astype(int) - theirs.crops).max() <= 2
    assert set(ours.answers) == set(theirs.answers) == set(OUTPUTS)
    np.testing.assert_allclose(
        ours.answers["probs_ferplus"], theirs.answers["probs_ferplus"], atol=1e-3
    )
    np.testing.assert_allclose(ours.answers["latent"], theirs.answers["latent"], atol=0.01)


def test_readings_are_the_callers_own(on_device: FaceReader) -> None:
    batch = on_device.take(pictures())
    first = batch.align([0], [detection(100, 80, 90)]).read(OUTPUTS)
    kept = first.answers["latent"].copy()
    batch.align([2], [detection(250, 260, 90)]).read(OUTPUTS)
    np.testing.assert_array_equal(first.answers["latent"], kept)
    first.crops[...] = 0


def test_each_picture_crosses_once_and_little_comes_back() -> None:
    host = HostLink()
    batch = device_reader(host).take(pictures())
    faces = batch.detect([0, 1, 2])
    batch.align([0, 0, 2], [*faces[0], *faces[2]]).read(OUTPUTS)
    assert host.sent == 3
    assert sum(t.numel() * t.element_size() for t in host.fetched) < 3 * 40_000


def test_a_detector_on_the_host_gets_the_hosts_pictures() -> None:
    """As CenterFace does under torch: only pictures with faces cross."""
    host = HostLink()
    fake = FakeDetector(detection())
    batch = DeviceFaceReader(fake, small_face_engine(host), host).take(pictures())
    assert [len(faces) for faces in batch.detect([0, 1, 2])] == [1, 1, 1]
    assert fake.calls == [3]
    assert host.sent == 0
    batch.align([1], [detection()]).read(OUTPUTS)
    assert host.sent == 1


def test_a_device_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    host = HostLink()
    reader = DeviceFaceReader(FakeDetector(), small_face_engine(host), host)
    batch = reader.take(pictures())
    monkeypatch.setattr(host, "send", out_of_memory)
    with pytest.raises(EngineError, match=r"^cpu failed: CUDA out of memory.*GiB$"):
        batch.align([0], [detection()])


@pytest.mark.parametrize("count", [3, 500, 5000])
def test_the_best_places_are_those_that_the_host_finds(count: int) -> None:
    rng = np.random.default_rng(0)
    maps = {
        "heatmap": rng.random((2, 1, 30, 40), dtype=np.float32),
        "scale": rng.random((2, 2, 30, 40), dtype=np.float32),
    }
    anchors = {
        "scores": rng.random((2, 900), dtype=np.float32),
        "boxes": rng.random((2, 900, 4), dtype=np.float32),
    }
    for outputs, score_output in ((maps, "heatmap"), (anchors, "scores")):
        tensors = {name: torch.from_numpy(values) for name, values in outputs.items()}
        best = best_places(tensors, score_output, count)
        for picture in range(2):
            expected = places_above(outputs, picture, score_output, -1.0)
            order = np.argsort(-expected.answers[score_output][:, 0])[:count]
            np.testing.assert_array_equal(best["place"][picture], expected.index[order])
            for name, values in expected.answers.items():
                np.testing.assert_array_equal(best[name][picture], values[order])
