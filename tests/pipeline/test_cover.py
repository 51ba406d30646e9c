"""Faces are covered before an output sees a picture, also where the detector missed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.pipeline.cover import FaceCover
from streamfer.pipeline.events.detector import EventDetector
from streamfer.pipeline.outlet import Outlet, OutputLedger
from streamfer.types import FaceResult, FrameResult, UInt8Array
from tests.support.results import face_result
from tests.support.sinks import MemorySink
from tests.support.sources import pending

BOX = (slice(75, 120), slice(135, 180))
"""Well inside the face."""


def shot(index: int, *, seen: bool = True, segment: int = 0, drawing: bool = False) -> FrameResult:
    """A frame of noise at 25 frames/s, with a face at one place that may be missed."""
    face = replace(
        face_result(x=120, y=60, size=70),
        latent=np.ones((2, 3), np.float32),
        reconstruction=np.zeros((64, 64), np.uint8),
        imagined=np.full((64, 64), 120, np.uint8) if drawing else None,
    )
    faces: tuple[FaceResult, ...] = (face,) if seen else ()
    made = pending(index).to_frame("talk", dropped=0)
    image = np.random.default_rng(index).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return FrameResult(replace(made, image=image, time_s=index / 25, segment=segment), faces)


def is_covered(image: UInt8Array) -> bool:
    return bool(np.abs(np.diff(image[BOX].astype(int), axis=1)).max() < 12)


def run(cover: FaceCover, shots: list[FrameResult]) -> list[FrameResult]:
    ready = [result for each in shots for result in cover.take(each)]
    return [*ready, *cover.rest()]


@pytest.mark.parametrize("drawing", [False, True])
def test_every_frame_comes_out_once_in_order_and_covered(drawing: bool) -> None:
    shots = [shot(i, drawing=drawing) for i in range(60)]
    before = [one.frame.image.copy() for one in shots]
    covered = run(FaceCover(look_ahead=True, draw=drawing), shots)
    assert [one.frame.index for one in covered] == list(range(60))
    assert all(is_covered(one.frame.image) for one in covered)
    # The analyzer's own pictures stay as they were.
    assert all((a.frame.image == b).all() for a, b in zip(shots, before, strict=True))


def test_what_the_detector_misses_is_covered_from_the_frames_around_it() -> None:
    gaps = {*range(10), *range(30, 40), *range(50, 60)}
    shots = [shot(i, seen=i not in gaps) for i in range(60)]
    covered = run(FaceCover(look_ahead=True, draw=False), shots)
    assert all(is_covered(one.frame.image) for one in covered)
    assert [bool(one.faces) for one in covered] == [i not in gaps for i in range(60)]


def test_live_pictures_wait_for_nothing_and_stay_covered_for_a_while() -> None:
    cover = FaceCover(look_ahead=False, draw=False)
    for index in range(50):
        (result,) = cover.take(shot(index, seen=index < 10))
        if index != 34:  # a second after it was seen last, to a rounding error
            assert is_covered(result.frame.image) == (index < 34)


def test_places_of_another_picture_size_mean_nothing() -> None:
    shots = [shot(0), shot(1, seen=False, segment=1)]
    covered = run(FaceCover(look_ahead=True, draw=False), shots)
    assert is_covered(covered[0].frame.image)
    assert not is_covered(covered[1].frame.image)


def test_what_shows_the_person_goes_and_what_is_said_stays() -> None:
    (blurred,) = FaceCover(look_ahead=False, draw=False).take(shot(0, drawing=True))
    (face,) = blurred.faces
    assert (face.latent, face.reconstruction, face.imagined) == (None, None, None)
    assert face.emotion == "happy"
    (drawn,) = FaceCover(look_ahead=False, draw=True).take(shot(0, drawing=True))
    (face,) = drawn.faces
    assert face.reconstruction is not None
    assert face.reconstruction.min() == 120


def test_outputs_get_what_was_held_back_in_order_with_the_events() -> None:
    sink = MemorySink()
    cover = FaceCover(look_ahead=True, draw=False)
    outlet = Outlet("talk", lambda: [sink], OutputLedger(), EventDetector(), cover=cover)
    for index in range(3):
        outlet.put([shot(index)])
    assert sink.results == []
    outlet.close()
    assert sink.indices == [0, 1, 2]
    assert all(is_covered(one.frame.image) for one in sink.results)
