from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from streamfer.errors import EngineError
from tests.support.engine_store import KEY, Bench, damage_description


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "engines")


def test_builds_once_and_says_nothing(bench: Bench) -> None:
    assert bench.open() == b"engine"
    assert bench.open(content=b"other") == b"engine"
    assert bench.builds == 1
    assert bench.lines == []


def test_a_networks_file_is_known_without_being_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench.store.file(KEY, lambda: b"network")
    assert made.read() == b"network"
    again = bench.store.file(KEY, bytes)
    assert again.sha256 == made.sha256 == hashlib.sha256(b"network").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", _refuse_payload)
        assert bench.store.file(KEY, bytes).sha256 == made.sha256
    assert again.read() == b"network"


def _refuse_payload(path: Path) -> bytes:
    assert path.suffix == ".json"
    with path.open("rb") as file:
        return file.read()


def test_a_networks_file_that_is_cut_short_or_damaged_is_made_again(bench: Bench) -> None:
    bench.store.file(KEY, lambda: b"network")
    payload = bench.store.root / KEY.folder / "engine.bin"
    payload.write_bytes(b"netw")
    assert bench.store.file(KEY, lambda: b"network").read() == b"network"
    known = bench.store.file(KEY, lambda: b"network")
    payload.write_bytes(b"NETWORK")
    assert known.read() == b"network"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("version", "2026.5", "version was 2026.4, is 2026.5"),
        ("model_sha256", "b" * 64, "the model changed"),
        ("device", "other cpu", "device was cpu, is other cpu"),
        ("shapes", "1,8,32", "the shapes changed"),
        ("recipe", 2, "the recipe changed"),
    ],
)
def test_anything_that_changed_is_a_rebuild_with_one_line(
    bench: Bench, field: str, value: object, says: str
) -> None:
    bench.open()
    assert bench.open(replace(KEY, **{field: value}), b"new") == b"new"
    assert bench.builds == 2
    assert bench.lines == [f"net: rebuilding for openvino: {says}"]
    assert bench.open() == b"engine"  # the old one is still there for whom it fits


def test_another_precision_is_another_engine_not_a_rebuild(bench: Bench) -> None:
    bench.open()
    bench.open(replace(KEY, precision="bf16"))
    assert bench.lines == []


def damage_payload(folder: Path) -> None:
    content = bytearray((folder / "engine.bin").read_bytes())
    content[0] ^= 0xFF
    (folder / "engine.bin").write_bytes(content)


def truncate_payload(folder: Path) -> None:
    (folder / "engine.bin").write_bytes(b"")


def drop_description(folder: Path) -> None:
    (folder / "engine.json").unlink()


def swap_key(folder: Path) -> None:
    text = (folder / "engine.json").read_text()
    (folder / "engine.json").write_text(text.replace("2026.4", "2025.1"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_payload, "the stored one is damaged"),
        (truncate_payload, "the stored one is damaged"),
        (damage_description, "its description is missing or damaged"),
        (drop_description, "its description is missing or damaged"),
        (swap_key, "the stored one was made for something else"),
    ],
)
def test_an_unusable_artifact_is_rebuilt_with_one_line(
    bench: Bench, damage: object, says: str
) -> None:
    bench.open()
    damage(bench.store.root / KEY.folder)  # type: ignore[operator]
    assert bench.open(content=b"again") == b"again"
    assert bench.lines == [f"net: rebuilding for openvino: {says}"]
    assert bench.open() == b"again"
    assert bench.builds == 2


def test_an_artifact_that_the_backend_refuses_is_rebuilt(bench: Bench) -> None:
    bench.open(content=b"old")

    def load(payload: bytes) -> bytes:
        if payload == b"old":
            raise EngineError("the driver refuses it")
        return payload

    assert bench.store.open(KEY, lambda: b"new", load) == b"new"
    assert bench.lines == ["net: rebuilding for openvino: the driver refuses it"]


def test_a_build_that_fails_leaves_nothing(bench: Bench) -> None:
    def build() -> bytes:
        raise EngineError("cannot compile")

    with pytest.raises(EngineError, match="cannot compile"):
        bench.store.open(KEY, build, lambda payload: payload)
    assert bench.store.entries() == []


def test_what_a_killed_build_left_is_swept_away(bench: Bench) -> None:
    left = bench.store.root / f".building-{KEY.digest[:16]}"
    left.mkdir(parents=True)
    (left / "engine.bin").write_bytes(b"half")
    assert bench.open() == b"engine"
    assert not left.exists()


_RACER = """
import sys
from pathlib import Path
from streamfer.runtime.store.store import EngineStore
from tests.support.engine_store import KEY
from tests.support.engine_store import KEY, Bench, damage_description

root, builds = Path(sys.argv[1]), Path(sys.argv[2])

def build():
    with builds.open("a") as file:
        file.write("built\\n")
    return b"x" * 3_000_000

store = EngineStore(root)
sys.stdin.readline()  # both start together
assert store.open(KEY, build, lambda payload: payload) == b"x" * 3_000_000
"""


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    builds = tmp_path / "builds"
    command = [sys.executable, "-c", _RACER, str(tmp_path / "engines"), str(builds)]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    assert [_finish(racer) for racer in racers] == [0, 0]
    assert builds.read_text() == "built\n"


def _finish(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


@pytest.fixture
def taken(bench: Bench) -> Iterator[BinaryIO]:
    """The key's lock, held by somebody else until the file is closed."""
    bench.store.root.mkdir(parents=True, exist_ok=True)
    with (bench.store.root / f".{KEY.short_digest}.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def test_a_builder_waits_for_another_and_says_so(
    bench: Bench, taken: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(line: str) -> None:
        bench.lines.append(line)
        taken.close()

    monkeypatch.setattr(bench.store, "notify", note)
    bench.open()
    assert bench.lines == ["net: waiting for another process that compiles it"]
    assert bench.builds == 1


@pytest.mark.usefixtures("taken")
def test_waiting_for_another_builder_can_be_cancelled(bench: Bench) -> None:
    bench.store.cancelled.set()
    with pytest.raises(EngineError, match="net: waiting for its engine was cancelled"):
        bench.open()
    assert bench.builds == 0


def test_only_what_is_whole_is_read(bench: Bench) -> None:
    assert bench.store.read(KEY) is None
    bench.open()
    assert bench.store.read(KEY) == b"engine"
    assert bench.store.read(replace(KEY, version="2027.1")) is None
    damage_payload(bench.store.root / KEY.folder)
    assert bench.store.read(KEY) is None


def test_an_artifact_can_be_replaced(bench: Bench) -> None:
    for content in (b"first", b"second"):
        bench.store.replace(KEY, content)
        assert bench.store.read(KEY) == content
    assert bench.open() == b"second"
    assert bench.builds == 0


def test_what_cannot_be_replaced_is_not_worth_a_word(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    bench = Bench(tmp_path / "file" / "engines")
    bench.store.replace(KEY, b"content")
    assert bench.store.read(KEY) is None
    assert bench.lines == []
