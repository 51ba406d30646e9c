from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.app.report import plot as module
from streamfer.app.report.plot import plot
from streamfer.errors import ConfigError
from tests.support.made_records import made_face, write_records

_STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", _STARTS)
def test_writes_each_format(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    records = write_records(tmp_path / "r.jsonl", range(0, 4000, 40))
    out = tmp_path / f"figure{suffix}"
    assert main(["plot", str(records), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(_STARTS[suffix])


def test_absence_breaks_the_curves() -> None:
    times, shares = module._with_gaps(np.array([0.0, 0.1, 2.0]), np.full((3, 7), 0.1))
    assert list(times) == [0.0, 0.1, 2.0, 2.0]
    assert shares[2, 0] != shares[2, 0]  # NaN


def test_says_how_to_get_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    records = write_records(tmp_path / "r.jsonl", [0])
    with pytest.raises(ConfigError, match=r"pip install 'streamfer\[plot\]'"):
        plot(records, tmp_path / "figure.png")


def test_refuses_other_endings_and_faceless_records(tmp_path: Path) -> None:
    records = write_records(tmp_path / "r.jsonl", [0, 40], [[], []])
    with pytest.raises(ConfigError, match="figures end in"):
        plot(records, tmp_path / "figure.gif")
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match="no faces"):
        plot(records, tmp_path / "figure.png")


def test_an_earlier_run_s_segments_are_not_drawn(tmp_path: Path) -> None:
    records = write_records(tmp_path / "r.jsonl", range(0, 4000, 40))
    write_records(tmp_path / "r.1.jsonl", range(2000, 3000, 40), first=50)
    ((times_s, _),) = module._tracks(records).values()
    assert len(times_s) == 100


def test_of_very_many_faces_those_seen_most_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    faces = [
        [made_face(track, "happy") for track in (1, 2, 3) if track != 2 or n < 5] for n in range(9)
    ]
    records = write_records(tmp_path / "r.jsonl", range(0, 900, 100), faces)
    monkeypatch.setattr(module, "MOST_TRACKS", 2)
    assert list(module._longest(module._tracks(records))) == [("talk", 1), ("talk", 3)]
    assert main(["plot", str(records), "--out", str(tmp_path / "figure.png")]) == 0
    assert "3 tracks; the 2 with most frames are drawn" in capsys.readouterr().err
