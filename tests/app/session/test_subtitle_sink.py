"""`--subtitles` and `--embed-subtitles` through a whole run."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from skimage.data import astronaut

import streamfer
from streamfer.errors import ConfigError
from tests.support.clips import ClipSpec, make_clip


def talk(folder: Path, frames: int = 60) -> Path:
    spec = ClipSpec(frames=frames, size=(512, 512), options={"g": "10"})
    return make_clip(folder / "talk.mp4", spec, [astronaut()] * frames)


def test_a_run_writes_subtitles_beside_and_into_its_video(tmp_path: Path) -> None:
    source = talk(tmp_path)
    with streamfer.Session(refine=False) as session:
        outcome = session.run(
            source,
            output=tmp_path / "out.mp4",
            embed_subtitles=True,
            subtitles=tmp_path / "{stream}.vtt",
            segment=1.2,
            language="ja",
            speaker=["1=Anna", "other:1=Bob"],
        )
    first, second = tmp_path / "talk.vtt", tmp_path / "talk.1.vtt"
    assert {first, second} <= set(outcome.files)
    assert "00:00:00.000 --> 00:00:01.200 line:" in first.read_text("utf-8")
    assert "Anna：" in first.read_text("utf-8")
    assert "Anna：" in second.read_text("utf-8")
    with av.open(str(tmp_path / "out.mp4")) as container:
        (stream,) = container.streams.subtitles
        texts = [packet.decode()[0].ass for packet in container.demux(stream) if packet.size > 2]
    assert len(texts) == 1
    assert "Anna：".encode() in texts[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subtitles": "a.txt"}, "subtitles are written as"),
        ({"speaker": "1=Anna"}, "--speaker: is of --subtitles"),
        ({"subtitles": "a.vtt", "speaker": "Anna"}, "--speaker 'Anna': write TRACK=NAME"),
        ({"embed_subtitles": True}, "--embed-subtitles: goes into the video of --output"),
        ({"embed_subtitles": True, "output": "rtsp://h/cam"}, "--embed-subtitles: goes into"),
        ({"embed_subtitles": True, "output": "a.png"}, "a.png"),
        ({"subtitles": "a.vtt", "language": "xx"}, "language: expected one of en, de"),
        ({"subtitles": "talk.vtt", "save_config": "talk.vtt"}, "the same file as"),
    ],
)
def test_mistakes_are_said_when_it_is_called(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        streamfer.analyze("demo:", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_streams_do_not_share_subtitles(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2 streams would overwrite each other; put \{stream\}"):
        streamfer.analyze("demo:", "lavfi:testsrc", subtitles=tmp_path / "a.vtt")


def test_what_has_no_subtitles_yet_is_not_complete(tmp_path: Path) -> None:
    source = talk(tmp_path, frames=10)
    options = {"records": tmp_path / "{stream}.jsonl", "skip_existing": True}
    with streamfer.Session(refine=False) as session:
        for expected in (10, 0):
            assert session.run(source, **options).snapshot.frames == expected
        options["subtitles"] = tmp_path / "{stream}.srt"
        for expected in (10, 0):
            assert session.run(source, **options).snapshot.frames == expected
