"""Hard cuts: told from ordinary change, and who is who after one."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.tracking.cut import CutDetector
from streamfer.tracking.tracker import Tracker
from streamfer.types import UInt8Array
from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx
from tests.media.sources.test_still_pictures import pictures
from tests.support.shared import shared_file

RATE = 25.0


def scene(seed: int, size_wh: tuple[int, int] = (640, 360)) -> UInt8Array:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC))


def cuts(images: list[UInt8Array], rate: float = RATE) -> list[int]:
    detector = CutDetector()
    return [i for i, image in enumerate(images) if detector.is_cut(image, i / rate)]


def test_another_scene_is_a_cut() -> None:
    assert cuts([scene(0)] * 5 + [scene(1)] * 5 + [scene(0)] * 5) == [5, 10]


def test_pan_is_no_cut() -> None:
    wide = scene(2, (2400, 360))
    assert cuts([wide[:, x : x + 640] for x in range(0, 1500, 25)]) == []


def test_change_of_light_is_no_cut() -> None:
    image = scene(3)
    flash = [cv2.convertScaleAbs(image, alpha=a) for a in (0.2, 0.5, 0.6, 1.0, 0.3)]
    assert cuts([image, *map(np.asarray, flash), image]) == []


def test_fade_is_no_cut() -> None:
    first, second = scene(4), scene(5)
    mixed = [cv2.addWeighted(first, 1 - a, second, a, 0) for a in np.linspace(0, 1, 25)]
    assert cuts([first, *map(np.asarray, mixed), second]) == []


def test_frames_far_apart_are_no_cut() -> None:
    assert cuts([scene(n) for n in range(5)], rate=1.0) == []


def test_noise_on_a_dark_picture_is_no_cut() -> None:
    rng = np.random.default_rng(6)
    assert cuts([rng.integers(0, 4, (360, 640, 3), np.uint8) for _ in range(10)]) == []


@pytest.mark.parametrize("every", [1, 5, 12])
def test_another_person_at_the_same_place_has_another_number(every: int) -> None:
    images = pictures(shared_file("cases/hard_cut.mp4"))
    changes = [np.abs(b.astype(int) - a).mean() for a, b in pairwise(images)]
    cut = int(np.argmax(changes)) + 1
    numbers = track(images[cut - 15 : cut + 15], every)
    assert numbers[:15] == [{1}] * 15
    assert numbers[15:] == [{2}] * 15


def test_same_person_after_a_cut_away_keeps_the_number() -> None:
    images = pictures(shared_file("cases/hard_cut.mp4"))
    numbers = track(images[:10] + [scene(7, images[0].shape[1::-1])] * 5 + images[:10], 5)
    assert numbers == [{1}] * 10 + [set()] * 5 + [{1}] * 10


def track(images: list[UInt8Array], every: int) -> list[set[int]]:
    """Numbers in each frame, detecting as the analyzer does."""
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    detector, tracker, numbers = CenterFace(OnnxRuntimeEngine(model, threads=1)), Tracker(), []
    for index, image in enumerate(images):
        time_s = index / RATE
        faces = tracker.update(image, time_s, None) if index % every else []
        if index % every == 0 or tracker.patience_s == 0:
            faces = tracker.update(image, time_s, detector.detect([image])[0])
        numbers.append({face.track_id for face in faces})
    detector.close()
    return numbers
