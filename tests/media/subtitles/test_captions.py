from __future__ import annotations

import itertools
import re
from contextlib import closing
from pathlib import Path

import av
import pytest

from streamfer.media.subtitles.captions import Captions
from streamfer.media.subtitles.wording import Wording
from streamfer.media.video.caption_track import Caption
from streamfer.media.video.writer import VideoWriter
from streamfer.types import StreamInfo
from tests.support.timed_results import face, film

TALK = StreamInfo("talk", "talk.mp4", 320, 180, live=False, frame_rate=10.0)
SCENES = (
    (1.0, [face(1, "happy"), face(2, "sad")]),
    (1.0, [face(1, "happy"), face(2, "angry")]),
    (1.0, []),
    (1.0, [face(1, "neutral")]),
)
EXPECTED = [
    (0.0, 1.0, "Person 1: happy / Person 2: sad"),
    (1.0, 2.0, "Person 1: happy / Person 2: angry"),
    (2.0, 3.0, ""),
    (3.0, 4.0, "Person 1: neutral"),
]


def plain(text: str) -> str:
    return re.sub(r"{[^}]*}", "", text).replace("\\N", " / ")


def told(captions: list[Caption]) -> list[tuple[float, float, str]]:
    return [(round(c.start_s, 3), round(c.end_s, 3), plain(c.ass)) for c in captions]


def test_at_every_moment_one_caption_says_what_all_faces_show() -> None:
    captions = Captions()
    given = []
    for result in film(*SCENES):
        captions.add(result)
        given += captions.ready()
        assert all(caption.end_s <= result.frame.time_s for caption in given)
    assert told(given + captions.finish()) == EXPECTED


def test_what_lasts_comes_in_pieces_and_soon() -> None:
    captions = Captions()
    given: list[Caption] = []
    for result in film((20.0, [face(1, "happy")])):
        captions.add(result)
        given += captions.ready()
        assert result.frame.time_s - (given[-1].end_s if given else 0) < 5.2
    given += captions.finish()
    assert {plain(caption.ass) for caption in given} == {"happy"}
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(given))
    assert (given[0].start_s, round(given[-1].end_s, 3)) == (0.0, 20.0)


def test_what_goes_on_in_the_next_file_begins_anew() -> None:
    captions = Captions()
    parts = []
    for number, result in enumerate(film((4.0, [face(1, "happy")]))):
        if number == 20:
            parts.append(told(captions.finish()))
        captions.add(result)
    parts.append(told(captions.finish()))
    assert parts == [[(0.0, 2.0, "happy")], [(2.0, 4.0, "happy")]]


def read(path: Path) -> list[tuple[float, float, str]]:
    """Captions with text, pieces of one joined, as FFmpeg decodes them."""
    found: list[tuple[float, float, str]] = []
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            start = float(packet.pts * packet.time_base)
            end = start + float((packet.duration or 0) * packet.time_base)
            for subtitle in packet.decode():
                text = plain(subtitle.ass.decode().split(",", 8)[8])
                if text and found and found[-1][1:] == (pytest.approx(start, abs=2e-3), text):
                    found[-1] = (found[-1][0], end, text)
                elif text:
                    found.append((start, end, text))
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("live", [False, True])
def test_a_video_carries_its_captions(tmp_path: Path, suffix: str, live: bool) -> None:
    path = tmp_path / f"talk{suffix}"
    info = StreamInfo("talk", "talk.mp4", 320, 180, live=live, frame_rate=10.0)
    scenes = [*SCENES, (25.0, [face(1, "fear")]), (1.0, [])]
    captions = Captions(Wording("de"))
    with closing(VideoWriter(path, info, captions=captions)) as writer:
        for result in film(*scenes):
            writer.write(result.frame, result.frame.image, result.faces)
    expected = [
        (0.0, 1.0, "Person 1: Freude / Person 2: Trauer"),
        (1.0, 2.0, "Person 1: Freude / Person 2: Ärger"),
        (3.0, 4.0, "Person 1: neutral"),
        (4.0, 29.0, "Person 1: Angst"),
    ]
    found = read(path)
    assert [text for *_, text in found] == [text for *_, text in expected]
    for (start, end, _), (from_s, to_s, _) in zip(found, expected, strict=True):
        assert (start, end) == (pytest.approx(from_s, abs=2e-3), pytest.approx(to_s, abs=2e-3))
    with av.open(str(path)) as container:
        assert container.streams.subtitles[0].metadata["language"] in ("deu", "ger")
        assert sum(packet.pts is not None for packet in container.demux(video=0)) == 300


def test_captions_go_with_the_video_into_its_next_file(tmp_path: Path) -> None:
    captions = Captions()
    with closing(VideoWriter(tmp_path / "talk.mp4", TALK, captions=captions)) as writer:
        for number, result in enumerate(film((3.0, [face(1, "happy")]))):
            if number == 20:
                writer.roll()
            writer.write(result.frame, result.frame.image, result.faces)
    assert read(tmp_path / "talk.mp4") == [(0.0, pytest.approx(2.0), "happy")]
    assert read(tmp_path / "talk.1.mp4") == [(0.0, pytest.approx(1.0), "happy")]
