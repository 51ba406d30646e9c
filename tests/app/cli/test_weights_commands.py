from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.app.cli.main import main
from streamfer.app.networks.published import PUBLISHED

NAME = "retinaface-mobilenet0.25"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("streamfer.app.cli.weights.weights_folder", lambda: tmp_path / "weights")
    entry = replace(PUBLISHED[NAME], sha256=hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setitem(PUBLISHED, NAME, entry)
    return tmp_path / "weights"


def test_pull_from_a_file_then_verify_then_damage(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.pth").write_bytes(b"weights")
    assert main(["weights", "pull", NAME, "--from", str(tmp_path / "mine.pth")]) == 0
    assert main(["weights", "verify"]) == 0
    assert main(["weights", "list"]) == 0
    assert NAME in capsys.readouterr().out
    (folder / PUBLISHED[NAME].file_name).write_bytes(b"changed")
    assert main(["weights", "verify"]) == 5


def test_errors_have_their_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "pull", "retinaface"]) == 2
    assert main(["weights", "pull", NAME, "--from", str(tmp_path / "absent.pth")]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 2
