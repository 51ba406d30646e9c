from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.app.networks.refiner import RefinementConfig
from streamfer.app.session.networks import SessionNetworks
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError
from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.runtime.store.store import EngineStore
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.refinement import FakeBackend


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Models]:
    """Collects what is opened; the first entry says what a session opens."""
    made: list[Models] = []

    def open_them(config: RunConfig, *_: object, at_once: bool, **_how: object) -> Models:
        refinement = RefinementConfig() if config.refine else None
        made.append(Models(FakeDetector(), FakeEngine(lambda inputs: {}), refinement))
        return made[-1]

    monkeypatch.setattr("streamfer.app.session.networks.open_models", open_them)
    monkeypatch.setattr(
        "streamfer.app.session.networks.open_refiner", lambda _: Refiner(FakeBackend())
    )
    return made


def networks(tmp_path: Path, *, refine: bool = True) -> SessionNetworks:
    return SessionNetworks(RunConfig(refine=refine), EngineStore(tmp_path))


def test_they_are_opened_once(opened: list[Models], tmp_path: Path) -> None:
    session = networks(tmp_path)
    assert opened == []
    assert session.open() is session.open()
    session.close()
    session.close()
    assert len(opened) == 1
    assert opened[0].face.closed == 1  # type: ignore[attr-defined]


def test_a_closed_session_says_so(opened: list[Models], tmp_path: Path) -> None:
    session = networks(tmp_path)
    session.close()
    with pytest.raises(ConfigError, match="the session is closed"):
        session.open()


def test_runs_one_after_the_other_share_a_refiner(opened: list[Models], tmp_path: Path) -> None:
    session = networks(tmp_path)
    with session.refiner() as first:
        assert first is not None
    with session.refiner() as second:
        assert second is first
        with session.refiner() as at_the_same_time:
            assert at_the_same_time is not first
    session.close()


def test_a_refiner_loads_while_other_networks_open(
    opened: list[Models], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = [FakeBackend()]
    loading = threading.Event()
    monkeypatch.setattr(backends[0], "start", loading.set)

    def open_them(
        *_: object, at_once: bool, on_refinement: Callable[[RefinementConfig], None]
    ) -> Models:
        on_refinement(RefinementConfig())
        assert loading.wait(60)
        return Models(FakeDetector(), FakeEngine(lambda inputs: {}), RefinementConfig())

    monkeypatch.setattr("streamfer.app.session.networks.open_models", open_them)
    monkeypatch.setattr(
        "streamfer.app.session.networks.open_refiner", lambda _: Refiner(backends.pop())
    )
    session = networks(tmp_path)
    session.open(for_run=True)
    with session.refiner() as refiner:
        assert refiner is not None
    session.close()
    assert not backends


def test_where_no_run_follows_nothing_is_begun(
    opened: list[Models], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_them(
        *_: object, at_once: bool, on_refinement: Callable[[RefinementConfig], None]
    ) -> Models:
        on_refinement(RefinementConfig())
        return Models(FakeDetector(), FakeEngine(lambda inputs: {}), RefinementConfig())

    monkeypatch.setattr("streamfer.app.session.networks.open_models", open_them)
    asked: list[RefinementConfig] = []
    monkeypatch.setattr("streamfer.app.session.networks.open_refiner", asked.append)
    session = networks(tmp_path)
    session.open()  # for pictures, say
    session.close()
    assert not asked


def test_a_refiner_keeps_nothing_of_a_run(opened: list[Models], tmp_path: Path) -> None:
    """However it ended: an engine that fails tells nobody that its streams have."""
    session = networks(tmp_path)
    crop, code = np.zeros((4, 4), np.uint8), np.zeros((2, 3), np.float32)
    faces = [RefineRequest("talk", 1, time_s, crop, code, code, 0.5) for time_s in (3600.0, 0.0)]
    with session.refiner() as refiner:
        assert refiner is not None
        refiner.request(faces[0])
        assert refiner.wait_idle(60)
    with session.refiner() as again:
        assert again is refiner
        assert refiner.results() == []
        refiner.request(faces[1])
        assert refiner.wait_idle(60)
        assert [found.time_s for found in refiner.results()] == [0.0]
    session.close()


def test_a_refiner_that_gave_up_is_not_lent_again(opened: list[Models], tmp_path: Path) -> None:
    session = networks(tmp_path)
    with session.refiner() as first:
        assert first is not None
        first._given_up = "it failed three times"
    with session.refiner() as second:
        assert second is not first
    session.close()


def test_there_is_no_refiner_where_it_is_off(opened: list[Models], tmp_path: Path) -> None:
    session = networks(tmp_path, refine=False)
    with session.refiner() as refiner:
        assert refiner is None
    session.close()


@pytest.mark.parametrize(
    ("asked", "budget", "spare_core", "given"),
    [
        (0, None, False, 0),
        (0, None, True, 3),
        (2, None, True, 2),
        (8, None, False, 8),
        (0, 2.5, False, 2),
        (0, 0.5, False, 1),
        (0, 8.0, True, 3),
        (4, 1.0, False, 4),
    ],
)
def test_a_core_is_left_to_an_encoder_and_a_budget_kept_where_nobody_says_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: int,
    budget: float | None,
    spare_core: bool,
    given: int,
) -> None:
    threads = []

    def open_them(config: RunConfig, *_: object, at_once: bool, **_how: object) -> Models:
        threads.append(config.threads)
        return Models(FakeDetector(), FakeEngine(lambda inputs: {}), None)

    monkeypatch.setattr("streamfer.app.session.networks.open_models", open_them)
    monkeypatch.setattr("streamfer.app.session.networks.core_count", lambda: 4)
    session = SessionNetworks(RunConfig(threads=asked, cpu_budget=budget), EngineStore(tmp_path))
    session.open(spare_core=spare_core)
    session.close()
    assert threads == [given]


@pytest.mark.parametrize(
    ("output", "realtime", "spared"),
    [("talk.mp4", False, True), ("talk.mp4", True, False), (None, False, False)],
)
def test_an_encoder_at_full_speed_keeps_a_core_busy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str | None,
    realtime: bool,
    spared: bool,
) -> None:
    asked = []
    monkeypatch.setattr(SessionNetworks, "open", lambda _, **how: asked.append(how["spare_core"]))
    path = tmp_path / output if output else None
    config = RunConfig(source=("demo:",), output=path, realtime=realtime)
    with Session.configured(config) as session, closing(session.job()) as job:
        job.open_networks()
    assert asked == [spared]
