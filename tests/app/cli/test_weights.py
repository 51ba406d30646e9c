from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from streamfer.app.cli import weights
from streamfer.app.cli.weights import list_weights, pull_weights, verify_weights
from streamfer.app.networks.published import PUBLISHED, find_weights
from streamfer.errors import ConfigError, EngineError
from streamfer.models.shipped import SHIPPED, WeightFiles, file_digest
from tests.support.http_files import Served, serve
from tests.support.latent import write_card

CONTENT = b"weights" * 1000
NAME = "retinaface-mobilenet0.25"


def fits(name: str, path: Path) -> None:
    """Stands for a network that takes the file."""


class Bench:
    """A folder, a console, and a catalogue with one made-up file."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.console = Console(file=io.StringIO(), width=200)
        self._patch = patch
        self.publish(hashlib.sha256(CONTENT).hexdigest())

    def publish(self, sha256: str | None, url: str = "http://127.0.0.1:9/") -> None:
        entry = replace(PUBLISHED[NAME], sha256=sha256, url=url)
        self._patch.setitem(PUBLISHED, NAME, entry)

    def pull_by_hand(self, name: str, source: Path | None) -> Path:
        pull_weights(self.console, name, source, self.folder, load=fits)
        return find_weights(name, self.folder)

    def pull(self, source: Path | None = None) -> int:
        return pull_weights(self.console, NAME, source, self.folder, load=fits)

    @property
    def text(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "weights", monkeypatch)


def file_with(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_pull_downloads_checks_and_shows_the_licence(bench: Bench) -> None:
    with serve(Served(CONTENT)) as served:
        bench.publish(hashlib.sha256(CONTENT).hexdigest(), served.url)
        assert bench.pull() == 0
    assert find_weights(NAME, bench.folder).read_bytes() == CONTENT
    assert "licence MIT" in bench.text
    assert verify_weights(bench.console, bench.folder) == 0


def test_pull_takes_a_file(bench: Bench, tmp_path: Path) -> None:
    assert bench.pull(file_with(tmp_path / "mine.pth", CONTENT)) == 0
    assert find_weights(NAME, bench.folder).read_bytes() == CONTENT


def test_a_wrong_checksum_is_a_hard_failure(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="damaged or replaced; deleted"):
        bench.pull(file_with(tmp_path / "mine.pth", b"other"))
    assert list(bench.folder.iterdir()) == []


def test_a_good_file_outlives_a_bad_pull(bench: Bench, tmp_path: Path) -> None:
    bench.pull(file_with(tmp_path / "good.pth", CONTENT))
    with pytest.raises(EngineError):
        bench.pull(file_with(tmp_path / "bad.pth", b"other"))
    assert find_weights(NAME, bench.folder).read_bytes() == CONTENT


@pytest.mark.parametrize("published", [True, False])
def test_verify_finds_damage(bench: Bench, tmp_path: Path, published: bool) -> None:
    bench.publish(hashlib.sha256(CONTENT).hexdigest() if published else None)
    bench.pull(file_with(tmp_path / "mine.pth", CONTENT))
    assert verify_weights(bench.console, bench.folder) == 0
    find_weights(NAME, bench.folder).write_bytes(b"changed")
    assert verify_weights(bench.console, bench.folder) == 5
    assert f"{NAME}: damaged or replaced; streamfer weights pull {NAME}" in bench.text


def test_verify_of_nothing_says_so(bench: Bench) -> None:
    assert verify_weights(bench.console, bench.folder) == 0
    assert "holds no weights" in bench.text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("retinaface-resnet51", "did you mean retinaface-resnet50?"),
        ("x", "known are retinaface-mobilenet0.25, retinaface-resnet50"),
    ],
)
def test_an_unknown_name_gets_a_hint(bench: Bench, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        pull_weights(bench.console, name, None, bench.folder)


@pytest.mark.parametrize("name", ["stylegan2-ffhq", "stylegan2-ada-ffhq", "e4e-ffhq", "psp-ffhq"])
def test_what_nobody_hashed_is_fetched_by_hand(bench: Bench, tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError) as caught:
        bench.pull_by_hand(name, None)
    for part in (PUBLISHED[name].url, "non-commercial", f"pull {name} --from FILE"):
        assert part in str(caught.value)
    path = bench.pull_by_hand(name, file_with(tmp_path / "mine", CONTENT))
    assert path.read_bytes() == CONTENT
    assert "non-commercial" in bench.text
    assert verify_weights(bench.console, bench.folder) == 0
    path.write_bytes(b"changed")
    assert verify_weights(bench.console, bench.folder) == 5
    assert f"{name}: damaged or replaced; streamfer weights pull {name} --from FILE" in bench.text


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_without_a_checksum_the_network_must_take_the_file(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], sha256=None))
    with pytest.raises(EngineError, match=f"{name}: not taken: not a file of weights") as caught:
        pull_weights(bench.console, name, file_with(tmp_path / "x", CONTENT), bench.folder)
    assert "\n" not in str(caught.value)
    assert list(bench.folder.iterdir()) == []


def test_weights_of_another_network_are_not_taken(bench: Bench, tmp_path: Path) -> None:
    save_file({"body.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(EngineError, match="not taken: not the weights of this network: keys"):
        pull_weights(
            bench.console, "retinaface-resnet50", tmp_path / "other.safetensors", bench.folder
        )
    assert list(bench.folder.iterdir()) == []


def test_a_missing_source_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.pth: No such file"):
        bench.pull(tmp_path / "absent.pth")


def test_the_list_tells_shipped_present_and_absent_apart(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "SHIPPED", WeightFiles(tmp_path))
    file_with(tmp_path / "face.safetensors", b"x" * 2_000_000)
    bench.pull(file_with(tmp_path / "mine.pth", CONTENT))
    assert list_weights(bench.console, bench.folder) == 0
    lines = [line.split() for line in bench.text.splitlines()]
    assert ["face", "Apache-2.0", "shipped,", "2.0", "MB"] in lines
    assert [NAME, "MIT", str(bench.folder / "retinaface_mobilenet0.25.pth")] in lines
    assert any("not here; streamfer weights pull retinaface-resnet50" in " ".join(x) for x in lines)


def test_shipped_weights_are_held_against_their_cards(bench: Bench, tmp_path: Path) -> None:
    shipped = WeightFiles(tmp_path)
    for path in (*shipped.networks, tmp_path / "hashes.safetensors"):
        path.write_bytes(CONTENT)
        write_card(path, hashlib.sha256(CONTENT).hexdigest())
    assert verify_weights(bench.console, bench.folder, shipped) == 0
    shipped.encoder.write_bytes(CONTENT[1:])
    assert verify_weights(bench.console, bench.folder, shipped) == 5
    assert "face_vgg19: ok" in bench.text
    assert "encoder_faces64.safetensors: damaged or replaced" in bench.text


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda files: files.fused_heads.unlink(), "fused_heads.safetensors: cannot read"),
        (lambda files: files.encoder.with_suffix(".md").unlink(), "no card beside it"),
        (lambda files: (files.folder / "hashes.safetensors").write_bytes(b"x"), "hashes"),
    ],
)
def test_no_shipped_file_is_skipped(
    bench: Bench, tmp_path: Path, damage: Callable[[WeightFiles], object], says: str
) -> None:
    shipped = WeightFiles(tmp_path)
    for path in (*shipped.networks, tmp_path / "hashes.safetensors"):
        path.write_bytes(CONTENT)
        write_card(path, hashlib.sha256(CONTENT).hexdigest())
    damage(shipped)
    assert verify_weights(bench.console, bench.folder, shipped) == 5
    assert says in bench.text


def test_what_ships_is_what_its_cards_describe() -> None:
    for path in SHIPPED.folder.glob("*.safetensors"):
        assert file_digest(path) in path.with_suffix(".md").read_text("utf-8")


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "endless"])
def test_what_is_no_file_is_not_copied(bench: Bench, tmp_path: Path, kind: str) -> None:
    source = Path("/dev/zero")
    if kind == "pipe":
        source = tmp_path / "pipe"
        os.mkfifo(source)
    elif kind == "folder":
        source = tmp_path
    elif kind == "endless":
        source = tmp_path / "endless"
        source.touch()
        os.truncate(source, 10**13)
    with pytest.raises(EngineError, match=r"is no file|is larger than any"):
        bench.pull(source)
    assert not list(bench.folder.glob("*"))
