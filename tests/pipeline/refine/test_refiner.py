from __future__ import annotations

from itertools import chain, repeat

import numpy as np
import pytest

from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.pipeline.refine.refiner import Refiner, RefinerConfig
from streamfer.types import FloatArray, Refinement, UInt8Array
from tests.support.refinement import FakeBackend


def face(track: int, time_s: float = 0.0, stream: str = "a", gray: int = 0) -> RefineRequest:
    crop = np.full((4, 4), gray, np.uint8)
    code = np.full((2, 3), track, np.float32)
    return RefineRequest(stream, track, time_s, crop, code, code, 0.5)


def test_every_face_gets_its_own_result_once() -> None:
    with Refiner(FakeBackend()) as refiner:
        for track in (1, 2, 3):
            refiner.request(face(track, gray=10 * track))
        assert refiner.wait_idle(60)
        results = {r.track_id: r for r in refiner.results()}
        assert refiner.results() == []
    assert sorted(results) == [1, 2, 3]
    for track, result in results.items():
        np.testing.assert_array_equal(result.encoded, np.full((2, 3), track))
        np.testing.assert_array_equal(result.latent, np.full((2, 3), track + 1))
        assert result.reconstruction_error == 10 * track
        assert (result.stream, result.time_s, result.steps) == ("a", 0.0, 7)


def test_requests_return_while_the_backend_is_busy_and_the_newest_wins() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend, RefinerConfig(every_s=1.0)) as refiner:
        refiner.request(face(1, 0.0))
        assert backend.entered.wait(60)
        for second in range(1, 6):
            refiner.request(face(1, float(second)))
        assert refiner.results() == []
        backend.released.set()
        assert refiner.wait_idle(60)
        (result,) = refiner.results()
    assert result.time_s == 5.0
    assert backend.batches == [1, 1]


def test_it_rests_as_long_as_it_has_worked_where_that_is_asked_for() -> None:
    day_s = 86_400.0
    moments = chain([0.0] * 4, repeat(day_s))  # the first batch takes no time, the second a day
    backend = FakeBackend()
    with Refiner(backend, RefinerConfig(), lambda: next(moments)) as refiner:
        refiner.rest(1.0)
        for track in (1, 2):
            refiner.request(face(track))
            assert refiner.wait_idle(60)
        refiner.request(face(3))
        assert not refiner.wait_idle(0.1)
        refiner.rest(0.5)
        assert not refiner.wait_idle(0.1)
        refiner.rest(0.0)
        assert refiner.wait_idle(60)
        assert len(refiner.results()) == 3


def test_a_rest_ends_with_the_refiner() -> None:
    moments = chain([0.0], repeat(86_400.0))
    with Refiner(FakeBackend(), RefinerConfig(), lambda: next(moments)) as refiner:
        refiner.rest(1.0)
        refiner.request(face(1))
        assert refiner.wait_idle(60)


def test_waiting_tracks_are_refined_together_up_to_the_limit() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend, RefinerConfig(max_batch=3)) as refiner:
        refiner.request(face(0))
        assert backend.entered.wait(60)
        for track in range(1, 6):
            refiner.request(face(track))
        backend.released.set()
        assert refiner.wait_idle(60)
        assert len(refiner.results()) == 6
    assert backend.batches == [1, 3, 2]


def test_a_failure_costs_its_batch_and_nothing_else() -> None:
    with Refiner(FakeBackend(failures=1)) as refiner:
        refiner.request(face(1))
        assert refiner.wait_idle(60)
        assert refiner.results() == []
        refiner.request(face(2))
        assert refiner.wait_idle(60)
        assert [r.track_id for r in refiner.results()] == [2]
        assert refiner.given_up is None


def test_it_gives_up_after_repeated_failures_and_stays_harmless() -> None:
    backend = FakeBackend(failures=99)
    with Refiner(backend, RefinerConfig(max_failures=2)) as refiner:
        for track in (1, 2, 3):
            refiner.request(face(track))
            assert refiner.wait_idle(60)
        assert refiner.given_up == "the backend failed"
        assert refiner.results() == []
    assert len(backend.batches) == 2


def test_a_forgotten_stream_leaves_nothing() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend) as refiner:
        refiner.request(face(0, stream="b"))
        assert backend.entered.wait(60)
        refiner.request(face(1, stream="a"))
        refiner.forget("a")
        backend.released.set()
        assert refiner.wait_idle(60)
        assert [r.stream for r in refiner.results()] == ["b"]


def test_what_is_under_way_when_its_stream_ends_is_nothing_of_a_new_one_of_that_name() -> None:
    backend = FakeBackend(held=True)
    with Refiner(backend) as refiner:
        refiner.request(face(1, 5000.0, stream="a", gray=50))
        assert backend.entered.wait(60)
        refiner.forget("a")
        refiner.request(face(1, 0.0, stream="b"))
        backend.released.set()
        assert refiner.wait_idle(60)
        assert [r.stream for r in refiner.results()] == ["b"]
        refiner.request(face(1, 0.0, stream="a"))
        assert refiner.wait_idle(60)
        assert [(r.stream, r.time_s) for r in refiner.results()] == [("a", 0.0)]


@pytest.mark.parametrize("requests", [0, 2])
def test_closing_ends_a_refinement_under_way(requests: int) -> None:
    backend = FakeBackend(held=True)
    refiner = Refiner(backend)
    refiner.start()
    for track in range(requests):
        refiner.request(face(track))
    if requests:
        assert backend.entered.wait(60)
    refiner.close()
    refiner.close()
    assert backend.closed == 2


def test_a_backend_of_another_kind_of_failure_is_given_up_too() -> None:
    class Odd(FakeBackend):
        def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
            raise KeyError("latents")

    with Refiner(Odd(), RefinerConfig(max_failures=2)) as refiner:
        for track in (1, 2):
            refiner.request(face(track))
            assert refiner.wait_idle(60)
        assert refiner.given_up
