from __future__ import annotations

import multiprocessing
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.errors import ConfigError
from streamfer.runtime.store import store
from streamfer.runtime.store.artifacts import folder_size
from streamfer.runtime.store.store import EngineStore, default_root
from tests.support.engine_store import KEY, Bench, damage_description


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "engines")


def test_an_unwritable_folder_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    bench = Bench(tmp_path / "file" / "engines")
    assert bench.open() == b"engine"
    (line,) = bench.lines
    assert line.startswith("net: its engine could not be kept in")
    assert line.endswith("so the next start compiles it again")
    assert bench.open() == b"engine"
    assert len(bench.lines) == 1  # said once


def _open_with_little_disk(root: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    lines: list[str] = []
    store = EngineStore(Path(root), lines.append)
    content = b"x" * 5000
    assert store.open(KEY, lambda: content, lambda payload: payload) == content
    assert len(lines) == 1
    assert "could not be kept" in lines[0]
    assert store.entries() == []


def test_a_full_disk_costs_only_time(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_open_with_little_disk, args=(str(tmp_path / "engines"),)
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_entries_and_clean(bench: Bench) -> None:
    bench.open()
    bench.open(replace(KEY, model="other"))
    (bench.store.root / "README.md").write_text("stays")
    damage_description(bench.store.root / KEY.folder)
    entries = bench.store.entries()
    assert [entry.key and entry.key.model for entry in entries] == [None, "other"]
    assert all(entry.size > len(b"engine") for entry in entries)
    assert bench.store.clean() == entries
    assert [path.name for path in bench.store.root.iterdir()] == ["README.md"]


def test_an_absent_store_is_empty(bench: Bench) -> None:
    assert bench.store.entries() == []
    assert bench.store.clean() == []


def test_the_checkout_keeps_engines_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMFER_HOME", raising=False)
    assert default_root() == Path(store.__file__).resolve().parents[3] / "engines"


def test_an_explicit_home_wins_inside_a_checkout_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFER_HOME", "/elsewhere")
    assert default_root() == Path("/elsewhere/engines")


def test_an_installed_package_keeps_engines_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "site" / "streamfer" / "runtime" / "store.py"
    monkeypatch.setattr(store, "__file__", str(installed))
    monkeypatch.setenv("STREAMFER_HOME", str(tmp_path / "home"))
    assert default_root() == tmp_path / "home" / "engines"
    monkeypatch.delenv("STREAMFER_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_root() == tmp_path / "cache" / "streamfer" / "engines"


def test_a_user_without_a_home_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where there is no home
    monkeypatch.setattr("streamfer.runtime.store.store.__file__", str(tmp_path / "a/b/c/store.py"))
    for name in ("XDG_CACHE_HOME", "STREAMFER_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="set STREAMFER_HOME"):
        default_root()


def test_what_another_process_takes_away_has_no_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"12345")
    is_file = Path.is_file

    def and_then_gone(path: Path) -> bool:
        found = is_file(path)
        if path.name == "a":
            path.unlink()
        return found

    monkeypatch.setattr(Path, "is_file", and_then_gone)
    assert folder_size(tmp_path) == 5
    assert folder_size(tmp_path / "gone") == 0
