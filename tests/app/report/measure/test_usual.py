from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.app.report.measure.tracks import Track
from streamfer.app.report.measure.usual import departures
from streamfer.labels import LABELS
from tests.app.report.measure.test_command import track, written
from tests.support.results import probabilities


def test_a_face_that_rests_sad_departs_when_it_smiles() -> None:
    made = track(1, (10, "sad"), (2, "happy"), (8, "sad"))
    (found,) = departures([made], 5.0, {})
    assert found is not None
    usual = list(found["usual"].values())
    assert usual == pytest.approx(probabilities("sad").tolist(), abs=1e-4)
    assert found["shares"]["happy"] == pytest.approx(20 / 149, abs=1e-3)
    assert sum(found["shares"].values()) == pytest.approx(20 / 149, abs=1e-3)
    departed = np.abs(probabilities("happy") - probabilities("sad")).sum() / 2
    assert found["mean"] == pytest.approx(departed * 20 / 149, abs=1e-3)


def test_auto_learns_from_all_of_it() -> None:
    (found,) = departures([track(1, (5, "sad"), (5, "happy"))], None, {})
    assert found is not None
    assert found["usual"]["happy"] == pytest.approx(found["usual"]["sad"])
    assert found["shares"]["happy"] == found["shares"]["sad"] == 0.5


def test_tracks_of_one_name_are_one_person() -> None:
    first, second = track(1, (10, "sad")), track(2, (5, "happy"))
    second.times_s = [time_s + 20 for time_s in second.times_s]
    alone = departures([first, second], None, {})
    assert [found and found["mean"] for found in alone] == [0.0, 0.0]
    _, again = departures([first, second], 10.0, {1: "Anna", 2: "Anna"})
    assert again is not None
    assert again["shares"]["happy"] == 1.0
    assert again["usual"]["sad"] == pytest.approx(0.7, abs=1e-4)


def test_nothing_is_said_of_what_was_learned_from() -> None:
    assert departures([track(1, (3, "sad"))], 5.0, {}) == [None]
    other = Track("other", 1, [0.0, 9.0], [probabilities("sad").tolist()] * 2)
    assert departures([other], 5.0, {1: "Anna"}) != [None]


def test_the_command_adds_it_to_json_and_csv(tmp_path: Path) -> None:
    records = written(tmp_path)
    out, table = tmp_path / "m.json", tmp_path / "m.csv"
    files = ["--json", str(out), "--csv", str(table)]
    assert main(["measure", str(records), *files]) == 0
    assert "baseline" not in json.loads(out.read_text("utf-8"))["tracks"][0]
    assert main(["measure", str(records), *files, "--baseline", "3", "--name", "1=Anna"]) == 0
    baseline = json.loads(out.read_text("utf-8"))["tracks"][0]["baseline"]
    assert set(baseline["usual"]) == set(baseline["shares"]) == set(LABELS)
    with table.open(encoding="utf-8") as file:
        values = {row["measure"]: row["value"] for row in csv.DictReader(file)}
    assert {"usual_sad", "departure_mean", "departure_happy"} <= set(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "0"], "--baseline: expected a number of seconds above 0 or auto, got '0'"),
        (["--baseline", "soon"], "or auto, got 'soon'"),
        (["--name", "1=Anna"], "--name: is of --baseline, which is not asked for"),
        (["--baseline", "auto", "--name", "Anna"], "write TRACK=NAME"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["measure", str(written(tmp_path)), *arguments]) == 2
    assert message in capsys.readouterr().err
