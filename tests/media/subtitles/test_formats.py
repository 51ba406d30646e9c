"""Every format, read back by a program that is not ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import av
import pympi
import pytest
from praatio import textgrid

from streamfer.labels import LABELS
from streamfer.media.subtitles.annotation import to_eaf, to_textgrid
from streamfer.media.subtitles.cues import Cue
from streamfer.media.subtitles.edl import to_edl
from streamfer.media.subtitles.timed_text import to_ass, to_srt, to_vtt
from streamfer.media.subtitles.timeline import Timeline
from streamfer.media.subtitles.wording import Wording
from tests.support.timelines import timeline

TIMED_TEXT = {"vtt": to_vtt, "srt": to_srt, "ass": to_ass}
ODD_NAMES = {1: 'A <b> & "c" {\\an8}, d --> e', 2: "ü 人"}


def events(path: Path) -> list[tuple[float, float, str]]:
    """Start, end and dialogue of every subtitle, as FFmpeg reads it."""
    read = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            for subtitle in packet.decode() if packet.size else ():
                start = float(packet.pts * packet.time_base)
                end = start + float(packet.duration * packet.time_base)
                read.append((start, end, subtitle.ass.decode().split(",", 8)[8]))
    return read


def written(folder: Path, suffix: str, text: str) -> Path:
    path = folder / f"talk.{suffix}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", TIMED_TEXT)
def test_ffmpeg_reads_every_cue_at_its_time(tmp_path: Path, suffix: str) -> None:
    made = timeline(wording=Wording("de"))
    read = events(written(tmp_path, suffix, TIMED_TEXT[suffix](made)))
    assert len(read) == 3
    for (start, end, text), cue in zip(read, made.cues, strict=True):
        assert start == pytest.approx(cue.start_s, abs=0.006)
        assert end == pytest.approx(cue.end_s, abs=0.011)
        assert re.sub(r"{[^}]*}", "", text) == made.text(cue)


@pytest.mark.parametrize("suffix", TIMED_TEXT)
def test_names_cannot_break_out_of_the_format(tmp_path: Path, suffix: str) -> None:
    made = timeline(wording=Wording("en", ODD_NAMES))
    read = events(written(tmp_path, suffix, TIMED_TEXT[suffix](made)))
    assert len(read) == 3
    for (_, _, text), cue in zip(read, made.cues, strict=True):
        shown = re.sub(r"{[^}]*}", "", text)
        assert shown.endswith(f": {cue.emotion}") or "disgusted" in shown
        assert "\\an8}" not in text


@pytest.mark.parametrize("suffix", TIMED_TEXT)
def test_no_cues_are_a_valid_file(tmp_path: Path, suffix: str) -> None:
    empty = timeline(cues=())
    path = written(tmp_path, suffix, TIMED_TEXT[suffix](empty))
    if suffix == "srt":
        assert path.read_text() == ""
    else:
        assert events(path) == []


def test_colours_and_places_are_the_faces() -> None:
    made = timeline()
    assert '<font color="#f0e442">Person 1: happy</font>' in to_srt(made)
    assert "00:00:00.500 --> 00:00:03.250 line:40% position:20% align:center" in to_vtt(made)
    assert "<c.happy.yellow>Person 1: happy</c>" in to_vtt(made)
    ass = to_ass(made)
    assert "PlayResX: 640\nPlayResY: 360" in ass
    assert "{\\pos(130,144)}Person 1: happy" in ass
    assert "Style: happy,Arial,22,&H0042E4F0," in ass
    outside = timeline(Cue(1, "happy", 1, 2, (-500, 300, -100, 900)))
    assert "{\\pos(64,326)}" in to_ass(outside)


def test_hours_are_written(tmp_path: Path) -> None:
    made = timeline(Cue(1, "happy", 3599.9996, 36_000.5, (0, 0, 1, 1)))
    assert "01:00:00,000 --> 10:00:00,500" in to_srt(made)
    assert "1:00:00.00,10:00:00.50" in to_ass(made)


def eaf_rules(root: ElementTree.Element) -> None:
    """What the schema (EAF 3.0) asks of the elements that are written."""
    needed = {
        "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "VERSION"},
        "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
        "TIME_SLOT": {"TIME_SLOT_ID"},
        "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
        "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
        "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    }
    for name, attributes in needed.items():
        for element in root.iter(name):
            assert attributes <= element.attrib.keys()
    order = [child.tag for child in root]
    assert order == sorted(order, key=["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"].index)
    assert order[:2] == ["HEADER", "TIME_ORDER"]
    slots = {s.attrib["TIME_SLOT_ID"]: int(s.attrib["TIME_VALUE"]) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    identifiers = [*slots, *(a.attrib["ANNOTATION_ID"] for a in root.iter("ALIGNABLE_ANNOTATION"))]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", identifier) for identifier in identifiers)
    types = {t.attrib["LINGUISTIC_TYPE_ID"] for t in root.iter("LINGUISTIC_TYPE")}
    tiers = [t.attrib["TIER_ID"] for t in root.iter("TIER")]
    assert len(set(tiers)) == len(tiers)
    assert {t.attrib["LINGUISTIC_TYPE_REF"] for t in root.iter("TIER")} <= types
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        assert (
            slots[annotation.attrib["TIME_SLOT_REF1"]] < slots[annotation.attrib["TIME_SLOT_REF2"]]
        )
        assert [child.tag for child in annotation] == ["ANNOTATION_VALUE"]


@pytest.mark.parametrize("names", [{}, ODD_NAMES, {1: "Anna", 2: "Anna"}])
def test_elan_has_a_tier_for_every_track(tmp_path: Path, names: dict[int, str]) -> None:
    made = timeline(wording=Wording("ja", names))
    path = written(tmp_path, "eaf", to_eaf(made))
    eaf_rules(ElementTree.parse(path).getroot())
    read = pympi.Elan.Eaf(str(path))
    tiers = list(read.get_tier_names())
    assert len(tiers) == 2
    first = sorted(read.get_annotation_data_for_tier(tiers[0]))
    assert [(start, end, value) for start, end, value, *_ in first] == [
        (500, 3250, "喜び"),
        (3250, 3875, "怒り"),
    ]
    (media,) = read.media_descriptors
    assert media["MIME_TYPE"] == "video/mp4"


def test_elan_needs_no_media_file(tmp_path: Path) -> None:
    made = timeline(source="rtsp://cam/1", cues=())
    path = written(tmp_path, "eaf", to_eaf(made))
    eaf_rules(ElementTree.parse(path).getroot())
    assert pympi.Elan.Eaf(str(path)).media_descriptors == []


@pytest.mark.parametrize("names", [{}, ODD_NAMES, {1: "Anna", 2: "Anna"}])
def test_praat_has_a_tier_for_every_track(tmp_path: Path, names: dict[int, str]) -> None:
    made = timeline(wording=Wording("en", names))
    path = written(tmp_path, "TextGrid", to_textgrid(made))
    read = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    assert len(read.tierNames) == 2
    if names == ODD_NAMES:
        assert read.tierNames[1] == "ü 人"
    (first, second) = (read.getTier(name).entries for name in read.tierNames)
    assert [(e.start, e.end, e.label) for e in first] == [
        (0, 0.5, ""),
        (0.5, 3.25, "happy"),
        (3.25, 3.875, "angry"),
        (3.875, 20, ""),
    ]
    assert [e.label for e in second] == ["", "sad", ""]


def test_praat_takes_a_timeline_without_cues(tmp_path: Path) -> None:
    path = written(tmp_path, "TextGrid", to_textgrid(timeline(cues=())))
    read = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    assert [e.label for e in read.getTier(read.tierNames[0]).entries] == [""]


EVENT = re.compile(
    r"(\d{3})  001      V     C        ((?:\d\d:){3}\d\d) ((?:\d\d:){3}\d\d) \2 \3  "
)


def test_editors_get_a_marker_for_every_cue() -> None:
    lines = to_edl(timeline()).splitlines()
    assert lines[:2] == ["TITLE: talk", "FCM: NON-DROP FRAME"]
    found = [match.groups() for line in lines if (match := EVENT.fullmatch(line))]
    assert [number for number, *_ in found] == ["001", "002", "003"]
    assert found[0][1:] == ("01:00:00:12", "01:00:00:13")
    assert found[2][1:] == ("01:00:03:06", "01:00:03:07")
    assert " |C:ResolveColorYellow |M:Person 1: happy |D:69" in lines


@pytest.mark.parametrize(
    ("rate", "start_s", "expected"),
    [
        (24000 / 1001, 3.0, "01:00:03:00"),
        (30000 / 1001, 3600.0, "01:59:56:12"),
        (0.4, 5, "01:00:02:00"),
    ],
)
def test_time_codes_count_frames(rate: float, start_s: float, expected: str) -> None:
    made = timeline(Cue(1, "happy", start_s, start_s + 1, (0, 0, 1, 1)), frame_rate=rate)
    assert f"C        {expected} " in to_edl(made)


@pytest.mark.parametrize("write", [*TIMED_TEXT.values(), to_eaf, to_textgrid, to_edl])
def test_labels_that_are_not_ours_are_taken(write: Callable[[Timeline], str]) -> None:
    assert "bored" not in LABELS
    assert "bored" in write(timeline(Cue(1, "bored", 1, 2, (0, 0, 1, 1))))
