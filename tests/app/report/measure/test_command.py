from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from streamfer.app.cli.main import main
from streamfer.app.report.measure.tracks import Track, mimicry, shares, transitions
from tests.support.made_records import made_face, write_records
from tests.support.results import probabilities


def track(number: int, *scenes: tuple[float, str], rate: int = 10) -> Track:
    made = Track("talk", number)
    for seconds, emotion in scenes:
        for _ in range(round(seconds * rate)):
            made.times_s.append(len(made.times_s) / rate)
            made.probs.append(probabilities(emotion).tolist())
    return made


def test_shares_have_intervals_around_them() -> None:
    found = shares(track(1, (30, "happy"), (10, "sad"), (20, "happy")))
    assert found["happy"]["share"] == pytest.approx(5 / 6, abs=1e-3)
    assert found["happy"]["low"] < found["happy"]["share"] < found["happy"]["high"]
    assert found["fear"] == {"share": 0.0, "low": 0.0, "high": 0.0}
    assert shares(track(1, (0.1, "sad")))["sad"]["share"] == 1.0


def test_transitions_count_stable_expressions_only() -> None:
    made = track(1, (2, "happy"), (0.2, "fear"), (2, "sad"), (2, "happy"), (2, "sad"))
    assert transitions(made) == {"happy": {"sad": 2}, "sad": {"happy": 1}}


def test_mimicry_is_who_follows_whom_and_how_fast() -> None:
    leads = track(1, (2, "neutral"), (4, "happy"), (4, "sad"))
    follows = track(2, (3, "neutral"), (4, "happy"), (3, "sad"))
    assert mimicry(leads, follows) == {"count": 2, "median_s": 1.0}
    assert mimicry(follows, leads) == {"count": 0, "median_s": None}


def written(folder: Path) -> Path:
    lines: list[dict[str, object]] = [
        {"schema": "streamfer.records/1", "streams": [{"stream": "talk"}], "labels": []}
    ]
    emotions = ["happy" if n // 30 % 2 else "sad" for n in range(300)]
    for n, emotion in enumerate(emotions):
        faces = [
            {"track": t, "smoothed": probabilities(e).tolist()}
            for t, e in ((1, emotion), (2, emotions[max(n - 5, 0)]))
        ]
        lines.append({"stream": "talk", "frame": n, "time_s": n / 10, "faces": faces})
    path = folder / "r.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_command_writes_json_and_csv(tmp_path: Path) -> None:
    records = written(tmp_path)
    out, table = tmp_path / "m.json", tmp_path / "m.csv"
    assert main(["measure", str(records), "--json", str(out), "--csv", str(table)]) == 0
    figures = json.loads(out.read_text("utf-8"))
    assert figures["schema"] == "streamfer.measure/1"
    assert [t["track"] for t in figures["tracks"]] == [1, 2]
    (pair,) = figures["pairs"]
    assert pair["lag_s"] == pytest.approx(0.5, abs=0.1)
    assert pair["second_follows"]["median_s"] == pytest.approx(0.5, abs=0.05)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lag = [r["value"] for r in rows if r["measure"] == "lag_s"]
    assert lag == [str(pair["lag_s"])]
    assert {"share_happy", "transition_sad_happy"} <= {r["measure"] for r in rows}


def test_records_are_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = written(tmp_path)
    before = records.read_bytes()
    assert main(["measure", str(records), "--json", str(records)]) == 2
    assert "is the input" in capsys.readouterr().err
    assert records.read_bytes() == before


def test_who_was_never_there_together_is_no_pair(tmp_path: Path) -> None:
    """Tracks 1 and 2 meet; 3 comes when they have left."""
    faces = [
        [made_face(track, "happy") for track in ((1, 2) if step < 20 else (3,))]
        for step in range(40)
    ]
    records = write_records(tmp_path / "r.jsonl", range(0, 4000, 100), faces)
    assert main(["measure", str(records), "--json", str(tmp_path / "m.json")]) == 0
    figures = json.loads((tmp_path / "m.json").read_text())
    assert [track["track"] for track in figures["tracks"]] == [1, 2, 3]
    assert [pair["tracks"] for pair in figures["pairs"]] == [[1, 2]]
