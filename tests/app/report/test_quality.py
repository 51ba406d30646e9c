"""What a report says of records besides themselves."""

from __future__ import annotations

import json
from pathlib import Path

from streamfer.app.cli.main import main
from streamfer.app.report.quality import read_measures
from tests.support.made_records import made_face, write_records


def two_runs(tmp_path: Path) -> tuple[list[Path], Path]:
    """Records of one name in two folders, and what was measured between their faces."""
    paths = []
    for day, (first, second) in (("monday", (1, 2)), ("tuesday", (3, 4))):
        (tmp_path / day).mkdir()
        faces = [[made_face(first, "happy"), made_face(second, "sad")]] * 20
        paths.append(write_records(tmp_path / day / "r.jsonl", range(0, 2000, 100), faces))
    out = tmp_path / "m.json"
    assert main(["measure", *map(str, paths), "--json", str(out)]) == 0
    return paths, out


def test_of_several_runs_a_report_shows_the_pairs_of_its_own(tmp_path: Path) -> None:
    (monday, tuesday), measures = two_runs(tmp_path)
    found = read_measures(measures)
    assert [pair["tracks"] for pair in found.pairs(monday, "talk")] == [[1, 2]]
    assert [pair["tracks"] for pair in found.pairs(tuesday, "talk")] == [[3, 4]]
    assert found.pairs(tmp_path / "r.jsonl", "talk") == []  # which of the two is not known
    moved = json.loads(measures.read_text())
    moved["pairs"] = moved["pairs"][1:]
    measures.write_text(json.dumps(moved))
    found = read_measures(measures)
    assert [pair["tracks"] for pair in found.pairs(tmp_path / "r.jsonl", "talk")] == [[3, 4]]
