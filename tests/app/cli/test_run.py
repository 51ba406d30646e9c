from __future__ import annotations

import signal
from pathlib import Path

import pytest

from streamfer.app.cli.run import INTERRUPTED, run
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.runtime.model import Progress
from streamfer.runtime.store.store import EngineStore
from tests.support.clips import ClipSpec, make_clip
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=3))
    return RunConfig(source=(str(clip),), display=False, quiet=True)


def models() -> Models:
    return Models(FakeDetector(), FakeEngine(lambda inputs: {}))


def test_files_wait_for_what_must_be_compiled(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def opened(*_: object, at_once: bool, **_how: object) -> Models:
        asked.append(at_once)
        return models()

    monkeypatch.setattr("streamfer.app.session.networks.open_models", opened)
    assert run(config) == 0
    assert asked == [False]


def test_a_signal_ends_a_long_build(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[bool] = []

    def opened(
        config: RunConfig,
        store: EngineStore,
        on_progress: Progress,
        *,
        at_once: bool,
        **_how: object,
    ) -> Models:
        on_progress("compiling", 0.1)
        cancelled.append(store.cancelled.is_set())
        signal.raise_signal(signal.SIGINT)
        on_progress("compiling", 0.2)
        cancelled.append(store.cancelled.is_set())
        return models()

    monkeypatch.setattr("streamfer.app.session.networks.open_models", opened)
    assert run(config) == INTERRUPTED
    assert cancelled == [False, True]
