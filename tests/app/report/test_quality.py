"""What a report says of records besides themselves."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

from streamfer.app.cli.main import main
from streamfer.app.report.command import ReportConfig, write_report
from streamfer.app.report.quality import read_measures
from tests.support.made_records import made_face, uneven_clip, uneven_pts, write_records


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


def test_a_stream_is_verified_by_its_own_records(tmp_path: Path) -> None:
    sources = [tmp_path / folder / "talk.mp4" for folder in "ab"]
    for source in sources:
        source.parent.mkdir()
        uneven_clip(source)
    header, *frames = [
        json.loads(line)
        for line in write_records(tmp_path / "r.jsonl", uneven_pts(60)).read_text().splitlines()
    ]
    entry = header["streams"][0]
    header["streams"] = [
        entry | {"stream": name, "source": str(source)}
        for name, source in zip(("talk", "talk-2"), sources, strict=True)
    ]
    second = [deepcopy(frame) | {"stream": "talk-2"} for frame in frames]
    second[30]["faces"][0]["score"] = 7
    parts = (("r.jsonl", [*frames, *second[:40]]), ("r.1.jsonl", second[40:]))
    for name, records in parts:
        lines = (json.dumps(record) + "\n" for record in (header, *records))
        (tmp_path / name).write_text("".join(lines))
    write_report(ReportConfig((tmp_path / "r.jsonl",), out=tmp_path / "out", verify=True))
    text = (tmp_path / "out" / "data.js").read_text()
    data = json.loads(text.removeprefix("const DATA = ").rstrip().removesuffix(";"))
    said = [recording["quality"][1:] for recording in data["recordings"]]
    assert said[0] == ["verified: every frame, its time and its faces hold"]
    assert len(said[1]) == 1
    assert "score is 7" in said[1][0]


def test_records_of_a_long_filter_graph_have_no_video(tmp_path: Path) -> None:
    graph = "lavfi:testsrc2," + ",".join(["hue=s=1"] * 1000)
    records = write_records(tmp_path / "r.jsonl", range(0, 1000, 40), source=graph)
    write_report(ReportConfig((records,), out=tmp_path / "out"))
    assert '"video":null' in (tmp_path / "out" / "data.js").read_text().replace(" ", "")
    assert main(["export", str(records), "--to", "srt", "--out", str(tmp_path / "r.srt")]) == 0
