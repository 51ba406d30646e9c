from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfer.app.cli.main import main
from streamfer.app.report.bundle import as_script, script
from streamfer.app.report.command import ReportConfig, write_report
from streamfer.app.report.digest import BIN_BYTES, NO_LABEL, OVERVIEW_HZ, MomentFinder
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


def test_changes_of_several_faces_at_once_are_one_moment() -> None:
    finder = MomentFinder()
    for step in range(40):
        for track in (1, 2, 3):
            emotion = "neutral" if step < 20 else "sad"
            finder.add(step / 10, made_face(track, emotion, 0.7))
    (moment,) = finder.moments()
    assert (moment.kind, moment.tracks, moment.label) == ("together", (1, 2, 3), "sad")
    assert moment.time_s == pytest.approx(2.0)


def test_uncertain_faces_make_no_moment() -> None:
    finder = MomentFinder()
    for step in range(40):
        finder.add(step / 10, made_face(1, "angry", 0.95, trust=0.2))
    assert finder.moments() == []


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


def test_script_is_classic_and_data_cannot_end_it() -> None:
    text = script()
    assert "\nimport " not in text
    assert "\nexport " not in text
    assert "</script>" not in as_script({"stream": "</script>"})
