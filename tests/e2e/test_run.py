"""The main job, on real video, through the command line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import streamfer as package
from streamfer.errors import StreamferError
from streamfer.labels import LABELS
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.shared import shared_file

CLIP = "media/WolfgangLanger_Pexels.mp4"


def video_pts(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(f.pts * f.time_base) for f in container.decode(video=0)]


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.fixture(scope="module")
def analysed_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark clip, analysed once with everything on; the folder of its outputs."""
    clip = shared_file(CLIP)
    folder = tmp_path_factory.mktemp("clip")
    from streamfer.app.cli.main import main

    code = main(
        [
            "run", str(clip), "--no-display", "--quiet",
            "--output", str(folder / "talk.mp4"),
            "--records", str(folder / "talk.jsonl"),
            "--json-summary", str(folder / "summary.json"),
        ]
    )  # fmt: skip
    assert code == 0
    return folder


def test_every_frame_comes_back_at_its_time_with_its_sound(analysed_clip: Path) -> None:
    clip, output = shared_file(CLIP), analysed_clip / "talk.mp4"
    assert video_pts(output) == pytest.approx(video_pts(clip), abs=1e-6)
    assert len(video_pts(output)) == 472
    assert audio_packets(output) == audio_packets(clip)


def test_one_face_is_followed_from_start_to_end(analysed_clip: Path) -> None:
    header, *lines = record_lines(analysed_clip / "talk.jsonl")
    events = [line["event"] for line in lines if "event" in line]
    assert (events[0], events[-1]) == ("face_appeared", "face_left")
    assert (events.count("face_appeared"), events.count("face_left")) == (1, 1)
    frames = [line for line in lines if "event" not in line]
    assert header["schema"] == "streamfer.records/1"
    assert header["labels"] == list(LABELS)
    assert [frame["frame"] for frame in frames] == list(range(472))
    with_one_face = [frame for frame in frames if len(frame["faces"]) == 1]
    assert len(with_one_face) >= 0.98 * 472
    assert {frame["faces"][0]["track"] for frame in with_one_face} == {1}


def test_every_frame_is_really_classified(analysed_clip: Path) -> None:
    probs = [
        frame["faces"][0]["probs"]
        for frame in frame_records(analysed_clip / "talk.jsonl")
        if frame["faces"]
    ]
    assert np.abs(np.sum(probs, axis=1) - 1).max() < 1e-3
    changed = np.abs(np.diff(probs, axis=0)).max(axis=1) > 0
    # At 0.9998 and more, int8 may answer the same to all six decimals of a record.
    undecided = np.max(probs, axis=1)[1:] < 0.9998
    assert undecided.sum() > 100
    assert changed[undecided].all()
    assert changed.mean() > 0.95


def test_the_summary_holds_the_run_s_figures(analysed_clip: Path) -> None:
    summary = json.loads((analysed_clip / "summary.json").read_text())
    assert summary["schema"] == "streamfer.summary/1"
    assert (summary["frames"], summary["dropped"]) == (472, 0)
    assert summary["fps"] == pytest.approx(472 / summary["seconds"], rel=0.01)
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    (stream,) = summary["streams"]
    assert (stream["stream"], stream["state"]) == ("WolfgangLanger_Pexels", "done")


def test_verify_agrees_with_what_run_wrote(
    analysed_clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = streamfer(
        capfd, "verify", shared_file(CLIP), analysed_clip / "talk.mp4", analysed_clip / "talk.jsonl"
    )
    assert ended.code == 0, ended.out + ended.err


@pytest.mark.parametrize(
    ("picture", "faces"), [("media/multi_face.jpg", 5), ("media/single_face.jpg", 1)]
)
def test_photographs_are_videos_of_one_frame(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, picture: str, faces: int
) -> None:
    records = tmp_path / "records.jsonl"
    ended = streamfer(
        capfd, "run", shared_file(picture), "--records", records, "--output", tmp_path / "x.mp4"
    )
    assert ended.code == 0
    (frame,) = frame_records(records)
    assert len(frame["faces"]) == faces
    assert len(video_pts(tmp_path / "x.mp4")) == 1


def test_no_face_is_found_where_there_is_none(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    records = tmp_path / "records.jsonl"
    assert streamfer(capfd, "run", shared_file("media/no_face.mp4"), "--records", records).code == 0
    frames = frame_records(records)
    empty = [frame for frame in frames if not frame["faces"]]
    assert len(empty) >= 0.97 * len(frames)


def test_a_serial_loop_gives_the_same_records_as_the_threaded_run(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from streamfer.app.config import RunConfig
    from streamfer.app.networks.models import open_models
    from streamfer.app.session.build import build_analyzer
    from streamfer.media.sources.file import FileSource
    from streamfer.pipeline.stats.timing import StageTimes
    from streamfer.runtime.store.store import EngineStore

    clip, records = shared_file("media/single_face.mp4"), tmp_path / "records.jsonl"
    assert streamfer(
        capfd, "run", clip, "--records", records, "--precision", "fp32", "--max-frames", 60
    ).code == 0  # fmt: skip
    config = RunConfig(precision="fp32")
    models = open_models(config, EngineStore(), lambda *_: None)
    analyzer = build_analyzer(config, models, StageTimes())
    source = FileSource(clip, "single_face")
    source.open()
    serial = []
    for pending in source.frames():
        if len(serial) == 60:
            break
        serial.append(analyzer([pending.to_frame("single_face", 0)])[0].to_dict())
    source.close()
    models.close()
    threaded = frame_records(records)
    assert len(threaded) == 60
    for one, other in zip(serial, threaded, strict=True):
        assert (one["frame"], one["time_s"]) == (other["frame"], other["time_s"])
        for a, b in zip(one["faces"], other["faces"], strict=True):
            assert (a["track"], a["emotion"]) == (b["track"], b["emotion"])
            np.testing.assert_allclose(a["box"], b["box"], atol=0.02)
            np.testing.assert_allclose(a["probs"], b["probs"], atol=1e-4)
            np.testing.assert_allclose(a["smoothed"], b["smoothed"], atol=1e-4)


def test_several_sources_at_once_and_a_directory(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        make_clip(folder / f"clip{number}.mp4", ClipSpec(frames=10 + number))
    records = tmp_path / "records.jsonl"
    ended = streamfer(
        capfd, "run", folder, "demo:", "lavfi:testsrc=size=160x120:rate=10:duration=1",
        "--records", records, "--output", tmp_path / "out" / "{stream}.mp4",
        "--max-frames", 12, "--concurrent-files", 2,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    header = record_lines(records)[0]
    names = [stream["stream"] for stream in header["streams"]]
    counts = {name: len(frame_records(records, name)) for name in names}
    assert list(counts.values()) == [10, 11, 12, 12, 12, 12, 12, 10]
    for name, count in counts.items():
        assert len(video_pts(tmp_path / "out" / f"{name}.mp4")) == count


def test_the_demo_source_shows_a_face(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    records = tmp_path / "demo.parquet"
    ended = streamfer(capfd, "run", "demo:", "--records", records, "--max-frames", 50)
    assert ended.code == 0
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(records)
    assert table.num_rows == 50
    assert table["track"].to_pylist() == [1] * 50


def test_a_file_can_be_looped_cut_and_played_at_its_own_rate(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=20, fps=Fraction(20)))
    records = tmp_path / "records.jsonl"

    def times(*options: object) -> list[float]:
        assert streamfer(capfd, "run", clip, "--records", records, *options).code == 0
        return [frame["time_s"] for frame in frame_records(records)]

    assert times() == pytest.approx([n / 20 for n in range(20)])
    assert times("--loop", 3) == pytest.approx([n / 20 for n in range(60)])
    assert times("--start", 0.5) == pytest.approx([n / 20 for n in range(10, 20)])
    assert [frame["frame"] for frame in frame_records(records)] == list(range(10, 20))
    assert times("--start", 0.5, "--loop", 2) == pytest.approx([n / 20 for n in range(10, 30)])
    assert len(times("--duration", 0.25)) == 5
    assert times("--realtime")[-1] == pytest.approx(0.95)


def test_a_configuration_file_and_its_resolved_form(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mp4", ClipSpec(frames=5))
    (tmp_path / "run.toml").write_text(
        f'source = "{tmp_path / "a.mp4"}"\nrecords = "{tmp_path / "a.jsonl"}"\nmax-frames = 3\n'
    )
    ended = streamfer(
        capfd, "run", "--config", tmp_path / "run.toml", "--max-frames", 2,
        "--save-config", tmp_path / "used.json",
    )  # fmt: skip
    assert ended.code == 0
    assert len(frame_records(tmp_path / "a.jsonl")) == 2
    assert json.loads((tmp_path / "used.json").read_text())["max-frames"] == 2


def test_analyze_yields_results_and_can_be_left(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=30))
    assert [r.frame.index for r in package.analyze(str(clip))] == list(range(30))
    for result in package.analyze(str(clip), loop=100):
        assert result.frame.stream == "a"
        break
    with pytest.raises(StreamferError, match=r"none\.mp4"):
        next(package.analyze(str(tmp_path / "none.mp4")))


def test_a_run_goes_on_where_an_earlier_one_stopped(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, records = tmp_path / "in", tmp_path / "records.jsonl"
    folder.mkdir()
    for number in range(3):
        make_clip(folder / f"clip{number}.mp4", ClipSpec(frames=10 + number))
    arguments = [
        "run", folder, "--skip-existing", "--records", records,
        "--output", tmp_path / "out" / "{stream}.mp4",
    ]  # fmt: skip
    assert streamfer(capfd, *arguments).code == 0
    first = frame_records(records)
    # The second file's video is a shorter one, as a killed run leaves it; the third's is gone.
    output = tmp_path / "out" / "clip1.mp4"
    make_clip(output, ClipSpec(frames=4))
    (tmp_path / "out" / "clip2.mp4").unlink()
    untouched = (tmp_path / "out" / "clip0.mp4").stat().st_mtime_ns
    again = streamfer(capfd, *arguments)
    assert again.code == 0
    assert (tmp_path / "out" / "clip0.mp4").stat().st_mtime_ns == untouched
    assert "clip0" not in again.out
    assert len(video_pts(output)) == 11
    key = lambda record: (record["stream"], record["frame"])  # noqa: E731
    assert sorted(frame_records(records), key=key) == sorted(first, key=key)
    assert "nothing to do" in streamfer(capfd, *arguments).out
