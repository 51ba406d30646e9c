from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.app.report.command import ReportConfig, write_report
from streamfer.app.report.digest import BIN_BYTES, NO_LABEL, OVERVIEW_HZ
from streamfer.app.report.moments import Moment
from streamfer.app.report.recording import Recording
from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.labels import LABELS
from streamfer.media.video.stills import read_stills
from tests.support.clips import ClipSpec, make_clip
from tests.support.made_records import (
    SIZE_WH,
    TICK,
    made_face,
    uneven_clip,
    uneven_pts,
    write_records,
)


def data_of(out: Path) -> dict[str, Any]:
    text = (out / "data.js").read_text()
    return json.loads(text.removeprefix("const DATA = ").rstrip().removesuffix(";"))


def test_report_holds_overview_detail_moments_and_pictures(tmp_path: Path) -> None:
    clip = uneven_clip(tmp_path / "talk.mp4")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))

    page = write_report(ReportConfig((records,), (clip,), tmp_path / "out"))

    assert page == tmp_path / "out" / "index.html"
    (recording,) = data_of(tmp_path / "out")["recordings"]
    assert recording["video"] == "../talk.mp4"
    (track,) = recording["tracks"]
    assert (track["frames"], track["uncertain"]) == (60, 0)
    assert track["labels"][LABELS.index("happy")] == 30
    assert track["picture"].startswith("data:image/jpeg")
    assert [m["kind"] for m in recording["moments"]] == ["change", "peak"] or [
        m["kind"] for m in recording["moments"]
    ] == ["peak", "change"]
    chunk = (tmp_path / "out" / "data" / "0-0.js").read_text()
    frames = json.loads(chunk.split(" = ", 1)[1].rstrip().removesuffix(";"))
    assert [frame[0] for frame in frames] == list(range(60))
    assert frames[30][1] == uneven_pts(60)[30] / 1000


def test_overview_keeps_least_and_greatest_of_each_bin_and_shows_gaps(tmp_path: Path) -> None:
    times = [0, 50, 100, 1000, 1050]
    faces = [[made_face(1, "happy", share)] for share in (0.9, 0.5, 0.7, 0.6, 0.6)]
    records = write_records(tmp_path / "r.jsonl", times, faces)

    write_report(ReportConfig((records,), out=tmp_path / "out"))

    (track,) = data_of(tmp_path / "out")["recordings"][0]["tracks"]
    bins = np.frombuffer(base64.b64decode(track["bins"]), np.uint8).reshape(-1, BIN_BYTES)
    happy = LABELS.index("happy")
    assert len(bins) == OVERVIEW_HZ + 1
    assert bins[0, 2 + happy] == round(0.5 * 255)
    assert bins[0, 2 + len(LABELS) + happy] == round(0.9 * 255)
    assert (bins[1:-1, 0] == NO_LABEL).all()


def moments_of(faces: list[list[Any]]) -> list[Moment]:
    """What is found in ten frames a second, read a second at a time."""
    recording = Recording("talk", "", None, None)
    for step, seen in enumerate(faces):
        if step % 10 == 0 and step:
            recording.end_chunk()
        recording.add({"frame": step, "time_s": step / 10, "faces": seen})
    recording.end_chunk()
    return recording.finder.moments()


def test_changes_of_several_faces_at_once_are_one_moment() -> None:
    (moment,) = moments_of(
        [
            [made_face(track, "neutral" if step < 20 else "sad", 0.7) for track in (1, 2, 3)]
            for step in range(40)
        ]
    )
    assert (moment.kind, moment.tracks, moment.label) == ("together", (1, 2, 3), "sad")
    assert moment.time_s == pytest.approx(2.0)


def test_a_stretch_without_faces_is_one_in_the_report(tmp_path: Path) -> None:
    """Chunks are of 15 seconds: one with faces, two without, one with them again."""
    face = [made_face(1, "happy")]
    faces = [face if time_s < 15 or time_s >= 45 else [] for time_s in range(60)]
    records = write_records(tmp_path / "r.jsonl", range(0, 60_000, 1000), faces)
    write_report(ReportConfig((records,), out=tmp_path / "out"))
    (recording,) = data_of(tmp_path / "out")["recordings"]
    assert recording["chunks"] == [0, 1, 2, 3]
    (track,) = recording["tracks"]
    assert track["frames"] == 30
    nobody = write_records(tmp_path / "n.jsonl", range(0, 60_000, 1000), [[]] * 60)
    write_report(ReportConfig((nobody,), out=tmp_path / "none"))
    assert data_of(tmp_path / "none")["recordings"][0]["tracks"] == []


def test_uncertain_faces_make_no_moment() -> None:
    assert moments_of([[made_face(1, "angry", 0.95, trust=0.2)]] * 40) == []


def test_records_without_video_make_a_report_that_says_so(tmp_path: Path) -> None:
    records = write_records(tmp_path / "r.jsonl", [0, 40, 80], source="gone.mp4")
    write_report(ReportConfig((records,), out=tmp_path / "out"))
    (recording,) = data_of(tmp_path / "out")["recordings"]
    assert recording["video"] is None
    assert "--video FILE" in recording["note"]


def test_video_of_another_recording_is_refused_by_frames_and_times(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "other.mp4", ClipSpec(frames=20, size=SIZE_WH))
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))
    with pytest.raises(ConfigError, match=r"20 frames, the last at 0\.760 s.*frame 59 at 4\.") as e:
        write_report(ReportConfig((records,), (clip,), tmp_path / "out"))
    assert "\n" not in str(e.value)


def test_video_of_the_same_length_with_other_times_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "other.mp4", ClipSpec(frames=60, size=SIZE_WH))
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))
    with pytest.raises(ConfigError, match="frame 25 stands at another time"):
        write_report(ReportConfig((records,), (clip,), tmp_path / "out"))


def test_more_videos_than_streams_are_refused(tmp_path: Path) -> None:
    clip = uneven_clip(tmp_path / "talk.mp4")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))
    with pytest.raises(ConfigError, match="records have 1 streams"):
        write_report(ReportConfig((records,), (clip, clip), tmp_path / "out"))


def test_fragmented_recording_is_copied_for_seeking(tmp_path: Path) -> None:
    spec = ClipSpec(
        frames=60,
        size=SIZE_WH,
        pts=uneven_pts(60),
        time_base=TICK,
        container_options={"movflags": "frag_keyframe+empty_moov"},
    )
    clip = make_clip(tmp_path / "talk.mp4", spec)
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60), source=str(clip))
    write_report(ReportConfig((records,), out=tmp_path / "out"))
    assert data_of(tmp_path / "out")["recordings"][0]["video"] == "video-0.mp4"
    assert b"moof" not in (tmp_path / "out" / "video-0.mp4").read_bytes()


def test_a_video_that_stands_where_its_copy_would_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    spec = ClipSpec(
        frames=60,
        size=SIZE_WH,
        pts=uneven_pts(60),
        time_base=TICK,
        container_options={"movflags": "frag_keyframe+empty_moov"},
    )
    clip = make_clip(tmp_path / "out" / "video-0.mp4", spec)
    content = clip.read_bytes()
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60), source=str(clip))
    with pytest.raises(OutputError, match="is the input"):
        write_report(ReportConfig((records,), out=tmp_path / "out"))
    assert clip.read_bytes() == content


def test_pictures_of_a_turned_video_are_upright(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "turned.mp4", ClipSpec(frames=3, size=(96, 64), rotation=90))
    (picture,) = read_stills(clip, [0.0])
    assert picture.shape == (96, 64, 3)


def test_single_file_leaves_one_file(tmp_path: Path) -> None:
    clip = uneven_clip(tmp_path / "talk.mp4")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60), source=str(clip))
    page = write_report(ReportConfig((records,), out=tmp_path / "out", single_file=True))
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    text = page.read_text()
    assert "data:video/mp4;base64," in text
    assert "<script src" not in text


def test_truncated_records_are_reported_up_to_the_break(tmp_path: Path) -> None:
    records = write_records(tmp_path / "r.jsonl", range(0, 1000, 40))
    records.write_bytes(records.read_bytes()[:-100])
    write_report(ReportConfig((records,), out=tmp_path / "out"))
    assert data_of(tmp_path / "out")["recordings"][0]["frames"] == 24


def test_records_without_frames_and_missing_ones_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write_records(tmp_path / "r.jsonl", [])
    assert main(["report", str(empty), "--out", str(tmp_path / "out")]) == 2
    assert "no frames" in capsys.readouterr().err
    with pytest.raises(SourceError):
        write_report(ReportConfig((tmp_path / "no.jsonl",), out=tmp_path / "out"))


def test_quality_says_what_verify_found(tmp_path: Path) -> None:
    clip = uneven_clip(tmp_path / "talk.mp4")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60), source=str(clip))

    def said(verify: bool) -> str:
        write_report(ReportConfig((records,), out=tmp_path / "out", verify=verify))
        return " ".join(data_of(tmp_path / "out")["recordings"][0]["quality"])

    assert "not verified frame by frame" in said(verify=False)
    assert "verified: every frame" in said(verify=True)
    records.write_text(records.read_text().replace('"score": 0.99', '"score": 7', 1))
    assert "score is 7" in said(verify=True)


def test_measures_between_faces_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = [
        [made_face(track, "happy", 0.5 + step % 9 / 20) for track in (1, 2)] for step in range(400)
    ]
    records = write_records(tmp_path / "r.jsonl", range(0, 40_000, 100), faces)
    measures = tmp_path / "m.json"
    assert main(["measure", str(records), "--json", str(measures)]) == 0
    out = tmp_path / "out"
    assert main(["report", str(records), "--measures", str(measures), "--out", str(out)]) == 0
    (pair,) = data_of(out)["recordings"][0]["pairs"]
    assert pair["tracks"] == [1, 2]
    assert pair["correlation"] == pytest.approx(1)
    capsys.readouterr()
    for content in ("{}", "[1]", "no json", '{"schema": "streamfer.measure/1", "pairs": [{}]}'):
        measures.write_text(content)
        assert main(["report", str(records), "--measures", str(measures), "--out", str(out)]) == 3
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"box": [', '"bax": ['),
        ('"track": 1,', '"track": "x",'),
        ('"time_s": 0.0,', ""),
        ('"frame": 3,', '"frame": "</script><script>alert(1)</script>",'),
        ('"time_s": 0.0,', '"time_s": 1e999,'),
        ('"time_s": 0.96,', '"time_s": 1e9,'),
        ('"box": [', '"box": [NaN, NaN, NaN, NaN], "old": ['),
        ('"smoothed": [', '"smoothed": [1, '),
        ('"faces": [', '"faces": ["x", '),
        ('"faces": [', '"faces": 7, "more": ['),
        ('"trust": 0.9', '"trust": [0.9]'),
        ('"emotion": "neutral"', '"emotion": ["neutral"]'),
    ],
)
def test_records_that_are_none_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    records = write_records(tmp_path / "r.jsonl", range(0, 1000, 40))
    text = records.read_text()
    assert old in text
    records.write_text(text.replace(old, new, 1))
    for command in (
        ["report", records, "--out", tmp_path / "out"],
        ["plot", records, "--out", tmp_path / "figure.png"],
        ["measure", records, "--json", tmp_path / "measures.json"],
        ["export", records, "--to", "srt", "--out", tmp_path / "out.srt"],
        ["export", records, "--to", "csv", "--out", tmp_path / "out.csv"],
    ):
        code = main([str(part) for part in command])
        err = capsys.readouterr().err
        assert (code, err.count("\n")) in ((3, 1), (0, 0)), err
        assert command[0] != "report" or code == 3


def test_single_file_leaves_the_videos_of_others_alone(tmp_path: Path) -> None:
    clip = uneven_clip(tmp_path / "talk.mkv")
    other = tmp_path / "video-0.mp4"
    other.write_bytes(b"somebody's")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))
    config = ReportConfig((records,), (clip,), tmp_path / "my.html", single_file=True)
    write_report(config)
    assert other.read_bytes() == b"somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "my.html",
        "r.jsonl",
        "talk.mkv",
        "video-0.mp4",
    ]
