from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from streamfer.app.cli import engines
from streamfer.app.cli.engines import build_engines, clean_engines, list_engines
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.runtime.backends.openvino import import_openvino
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from tests.support.machines import PLAIN_CPU
from tests.support.models import small_network


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def fill(store: EngineStore) -> None:
    open_engine(small_network(), store=store, threads=1, machine=PLAIN_CPU).close()


def test_an_empty_store_says_so(store: EngineStore) -> None:
    shown = console()
    assert list_engines(shown, store) == 0
    assert text_of(shown) == f"{store.root} holds no engines yet\n"


def test_the_list_shows_what_is_kept_and_what_is_damaged(store: EngineStore) -> None:
    fill(store)
    (store.root / "left-over").mkdir()
    shown = console()
    list_engines(shown, store)
    lines = text_of(shown).splitlines()
    rows = [line.split() for line in lines]
    version = import_openvino().get_version().partition("-")[0]
    assert any(row[:4] == ["small", "openvino", version, "fp32"] for row in rows)
    assert any(row[:4] == ["small", "openvino-check", "fp32", "cpu"] for row in rows)
    assert any("left-over" in line and "damaged" in line for line in lines)


def test_build_fills_the_store_and_shows_it(
    store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(config: RunConfig, store: EngineStore, on_progress: object) -> Models:
        assert config.backend == "openvino"
        made = [
            open_engine(small_network(name), backend=config.backend, store=store, threads=1)
            for name in ("one", "two")
        ]
        return Models(*made)  # type: ignore[arg-type]

    monkeypatch.setattr(engines, "open_models", opened)
    shown = console()
    assert build_engines(shown, RunConfig(backend="openvino"), store) == 0
    assert [entry.key and entry.key.model for entry in store.entries()] == ["one", "two"]
    assert "one" in text_of(shown)


def test_clean_empties_the_store_and_says_how_much(store: EngineStore) -> None:
    fill(store)
    paths = [entry.path for entry in store.entries()]
    shown = console()
    assert clean_engines(shown, store) == 0
    assert store.entries() == []
    said = [line.partition(": ")[0] for line in text_of(shown).splitlines()]
    assert said == [*(f"deleting {path}" for path in paths), str(store.root)]
    assert "2 removed, 0.0 MB freed" in text_of(shown)
