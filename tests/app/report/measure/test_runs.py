"""Numbers and times begin anew in each run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.cli.main import main
from streamfer.app.report.measure.runs import read_tracks
from tests.support.made_records import made_face, write_records


def of_one_face(path: Path, emotion: str, track: int = 1, first: int = 0, **more: Any) -> Path:
    """Four seconds of a face at ten frames a second."""
    faces = [[made_face(track, emotion)]] * 40
    times = range(100 * first, 100 * first + 4000, 100)
    return write_records(path, times, faces, first=first, **more)


def measured(tmp_path: Path, *records: Path) -> dict[str, Any]:
    out = tmp_path / "m.json"
    assert main(["measure", *map(str, records), "--json", str(out)]) == 0
    return json.loads(out.read_text("utf-8"))


def test_tracks_of_two_runs_are_two_and_no_pair(tmp_path: Path) -> None:
    monday = of_one_face(tmp_path / "monday.jsonl", "happy")
    tuesday = of_one_face(tmp_path / "tuesday.jsonl", "sad")
    other = of_one_face(tmp_path / "wednesday.jsonl", "sad", track=2)
    figures = measured(tmp_path, monday, tuesday, other)
    found = [(t["run"], t["track"], t["frames"]) for t in figures["tracks"]]
    assert found == [(str(monday), 1, 40), (str(tuesday), 1, 40), (str(other), 2, 40)]
    assert figures["tracks"][0]["shares"]["happy"]["share"] == 1.0
    assert figures["pairs"] == []


def test_the_table_names_the_run(tmp_path: Path) -> None:
    monday = of_one_face(tmp_path / "monday.jsonl", "happy")
    tuesday = of_one_face(tmp_path / "tuesday.jsonl", "sad")
    table = tmp_path / "m.csv"
    assert main(["measure", str(monday), str(tuesday), "--csv", str(table)]) == 0
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "share_happy"]
    assert [(row["run"], row["value"]) for row in rows] == [
        (str(monday), "1.0"),
        (str(tuesday), "0.0"),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("talk.jsonl", "talk.1.jsonl"),
        ("cam.20261128T142200Z.jsonl", "cam.20261128T142204Z.jsonl"),
        ("cam.jsonl", "cam.20261128T142204Z.1.jsonl"),
    ],
)
def test_segments_of_one_run_are_joined(tmp_path: Path, first: str, second: str) -> None:
    one = of_one_face(tmp_path / first, "happy")
    two = of_one_face(tmp_path / second, "sad", first=40)
    (track,) = measured(tmp_path, one, two)["tracks"]
    assert "run" not in track
    assert track["frames"] == 80
    assert track["transitions"] == {"happy": {"sad": 1}}


@pytest.mark.parametrize(
    ("name", "first", "source"),
    [("talk.1.jsonl", 39, ""), ("other.jsonl", 40, ""), ("talk.1.jsonl", 40, "other.mp4")],
    ids=["time goes back", "another name", "another source"],
)
def test_what_does_not_go_on_is_another_run(
    tmp_path: Path, name: str, first: int, source: str
) -> None:
    one = of_one_face(tmp_path / "talk.jsonl", "happy")
    two = of_one_face(tmp_path / name, "sad", first=first, source=source)
    assert [track.run for track in read_tracks([one, two])] == [str(one), str(two)]


@pytest.mark.parametrize("run", [None, "a"], ids=["older", "newer"])
@pytest.mark.parametrize(
    "names",
    [
        ("talk.jsonl", "talk.1.jsonl", "talk.2.jsonl", "talk.10.jsonl"),
        ("cam.jsonl", "cam.20261128T142204Z.jsonl", "cam.20261128T142204Z.1.jsonl"),
    ],
)
def test_segments_are_joined_in_whatever_order_a_shell_names_them(
    tmp_path: Path, names: tuple[str, ...], run: str | None
) -> None:
    for place, name in enumerate(names):
        of_one_face(tmp_path / name, "happy", first=40 * place, run=run)
    by_name = sorted(tmp_path.glob("*.jsonl"))
    assert [path.name for path in by_name] != list(names)
    (track,) = read_tracks(by_name)
    assert track.run is None
    assert track.times_s == sorted(track.times_s)
    assert len(track.times_s) == 40 * len(names)


def test_segments_of_two_runs_are_told_by_their_runs(tmp_path: Path) -> None:
    """As the same command leaves them that is run twice, the first time for longer."""
    runs = {"t.jsonl": "b", "t.1.jsonl": "a", "t.2.jsonl": "a", "t.3.jsonl": "b"}
    for (name, run), first in zip(runs.items(), (0, 40, 80, 40), strict=True):
        of_one_face(tmp_path / name, "happy", first=first, run=run)
    tracks = read_tracks(sorted(tmp_path.glob("*.jsonl")))
    assert [(track.run, track.times_s[0], len(track.times_s)) for track in tracks] == [
        (str(tmp_path / "t.jsonl"), 0.0, 80),
        (str(tmp_path / "t.1.jsonl"), 4.0, 80),
    ]


def test_records_without_numbers_of_frames_are_measured(tmp_path: Path) -> None:
    one = of_one_face(tmp_path / "talk.jsonl", "happy")
    two = of_one_face(tmp_path / "talk.1.jsonl", "sad", first=40)
    three = of_one_face(tmp_path / "talk.2.jsonl", "sad", first=79)
    for path in (one, two, three):
        path.write_text(path.read_text().replace('"frame"', '"number"'))
    tracks = read_tracks([one, two, three])
    assert [(track.run, len(track.times_s)) for track in tracks] == [
        (str(one), 80),
        (str(three), 40),
    ]


def test_a_name_holds_within_a_run(tmp_path: Path) -> None:
    monday = of_one_face(tmp_path / "monday.jsonl", "happy")
    tuesday = of_one_face(tmp_path / "tuesday.jsonl", "sad")
    out = tmp_path / "m.json"
    options = ["--baseline", "auto", "--name", "1=Anna", "--json", str(out)]
    assert main(["measure", str(monday), str(tuesday), *options]) == 0
    tracks = json.loads(out.read_text("utf-8"))["tracks"]
    assert [track["baseline"]["mean"] for track in tracks] == [0.0, 0.0]


def test_damage_is_said_of_the_file_that_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = of_one_face(tmp_path / "monday.jsonl", "happy")
    damaged = of_one_face(tmp_path / "tuesday.jsonl", "sad")
    damaged.write_text(damaged.read_text().replace('"time_s"', '"time"'))
    assert main(["measure", str(whole), str(damaged)]) == 3
    assert f"{damaged}: holds what is no record" in capsys.readouterr().err
    assert main(["measure", str(whole), str(whole)]) == 2
    assert "monday.jsonl: is named twice" in capsys.readouterr().err
