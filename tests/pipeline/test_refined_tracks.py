from __future__ import annotations

import numpy as np
import pytest

from streamfer.pipeline.refined_tracks import RefinedTracks, TrackLatent
from streamfer.pipeline.refiner import Refiner, RefinerConfig
from streamfer.pipeline.residual import ResidualConfig
from streamfer.types import Detection, FloatArray, Refinement, UInt8Array

LANDMARKS = np.array([[30, 40], [70, 40], [50, 60], [38, 80], [62, 80]], np.float32)
FACE = Detection(np.array([10, 10, 90, 110], np.float32), 0.9, LANDMARKS)
CROP = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
CONFIG = ResidualConfig(half_life_s=4.0, half_distance=0.5, doubt_distance=2.0)


class AddOne:
    """A backend that finds every code to be one more."""

    def __init__(self) -> None:
        self.latents: list[FloatArray] = []

    def start(self) -> None:
        pass

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        self.latents.append(latents)
        errors = np.full(len(crops), 0.02, np.float32)
        return Refinement(latents + 1, crops, errors, steps=3, seconds=0.1)

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


def code(value: float) -> FloatArray:
    return np.full((2, 3), value, np.float32)


def update(
    tracks: RefinedTracks, time_s: float, value: float = 0.0, track_id: int = 1, stream: str = "a"
) -> TrackLatent:
    return tracks.update(stream, track_id, time_s, FACE, CROP, code(value))


def test_refinement_is_carried_and_fades() -> None:
    with Refiner(AddOne(), RefinerConfig(every_s=100)) as refiner:
        tracks = RefinedTracks(refiner, CONFIG)
        first = update(tracks, 0.0)
        assert (first.kind, first.reconstruction, first.refined_age_s) == ("encoder", None, None)
        assert refiner.wait_idle(10)
        tracks.collect()
        fresh, older = update(tracks, 0.0), update(tracks, 4.0)
    np.testing.assert_allclose(fresh.latent, 1.0)
    np.testing.assert_allclose(older.latent, 0.5)
    assert (older.kind, older.refined_age_s) == ("refined", 4.0)
    assert older.reconstruction_error == pytest.approx(0.02)
    np.testing.assert_array_equal(older.reconstruction, CROP)


def test_another_persons_code_does_not_get_it_nor_does_the_next() -> None:
    with Refiner(AddOne(), RefinerConfig(every_s=100)) as refiner:
        tracks = RefinedTracks(refiner, CONFIG)
        update(tracks, 0.0)
        assert refiner.wait_idle(10)
        tracks.collect()
        assert update(tracks, 0.1, track_id=2).kind == "encoder"
        assert update(tracks, 0.1, value=3.0).kind == "encoder"
        assert update(tracks, 0.2, value=0.0).kind == "encoder"


def test_the_encoders_code_is_refined_not_the_carried_one() -> None:
    backend = AddOne()
    with Refiner(backend, RefinerConfig(every_s=1)) as refiner:
        tracks = RefinedTracks(refiner, CONFIG)
        for time_s in (0.0, 1.0, 2.0):
            update(tracks, time_s)
            assert refiner.wait_idle(10)
            tracks.collect()
    assert [float(latents.max()) for latents in backend.latents] == [0.0, 0.0, 0.0]


def test_a_forgotten_stream_starts_anew() -> None:
    with Refiner(AddOne(), RefinerConfig(every_s=100)) as refiner:
        tracks = RefinedTracks(refiner, CONFIG)
        for stream in ("a", "b"):
            update(tracks, 0.0, stream=stream)
        assert refiner.wait_idle(10)
        tracks.collect()
        tracks.forget("a")
        assert update(tracks, 0.0, stream="a").kind == "encoder"
        assert update(tracks, 0.0, stream="b").kind == "refined"


def test_what_nobody_asks_for_again_is_dropped() -> None:
    with Refiner(AddOne(), RefinerConfig(every_s=1, max_batch=1)) as refiner:
        tracks = RefinedTracks(refiner, CONFIG)
        for track_id in range(100):
            update(tracks, 5.0 * track_id, track_id=track_id)
            assert refiner.wait_idle(10)
            tracks.collect()
        assert tracks.carried < 6
