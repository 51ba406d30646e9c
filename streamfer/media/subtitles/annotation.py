"""Timelines for annotators: ELAN (EAF 3.0) and Praat (TextGrid), a tier for every track.

ELAN: https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf; TextGrid: the manual of
Praat, "TextGrid file formats".
"""

from __future__ import annotations

import datetime
import mimetypes
from pathlib import Path
from xml.etree import ElementTree

from streamfer.media.subtitles.timeline import Timeline

_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_EAF = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_TYPE = "expression"


def to_eaf(timeline: Timeline) -> str:
    """ELAN's XML; times in milliseconds, the media file by the name that the records have."""
    ElementTree.register_namespace("xsi", _SCHEMA)
    document = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "streamfer",
            "DATE": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_SCHEMA}}}noNamespaceSchemaLocation": _EAF,
        },
    )
    header = ElementTree.SubElement(
        document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    )
    _add_media(header, timeline.source)
    slot_of = _add_times(document, timeline)
    for track, name in tier_names(timeline).items():
        _add_tier(document, timeline, track, name, slot_of)
    ElementTree.SubElement(
        document,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true"},
    )
    ElementTree.indent(document, "    ")
    xml = ElementTree.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'


def to_textgrid(timeline: Timeline) -> str:
    """Praat's long text format; what lies between cues are empty intervals."""
    end_s = max([timeline.duration_s, *(cue.end_s for cue in timeline.cues)])
    names = tier_names(timeline) or {0: timeline.wording.person(1)}
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s:.6f}",
        "tiers? <exists>",
        f"size = {len(names)}",
        "item []:",
    ]
    for number, (track, name) in enumerate(names.items(), start=1):
        intervals = _intervals(timeline, track, end_s)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            "        xmin = 0",
            f"        xmax = {end_s:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, (start, end, text) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {end:.6f}",
                f"            text = {_quoted(text)}",
            ]
    return "\n".join(lines) + "\n"


def tier_names(timeline: Timeline) -> dict[int, str]:
    """A name for every track's tier; names that the user gave twice are told apart."""
    names: dict[int, str] = {}
    for track in timeline.tracks:
        name = timeline.wording.person(track)
        names[track] = f"{name} ({track})" if name in names.values() else name
    return names


def _add_times(document: ElementTree.Element, timeline: Timeline) -> dict[tuple[int, int], str]:
    """Notes when cues begin and end.

    Returns:
        (number of the cue, 0 for its start or 1 for its end) to the name of that time.
    """
    slots = ElementTree.SubElement(document, "TIME_ORDER")
    # In the order of time, as the format asks; equal times may share none.
    times = sorted(
        (time_s, number, end)
        for number, cue in enumerate(timeline.cues)
        for end, time_s in enumerate((cue.start_s, cue.end_s))
    )
    slot_of = {}
    for place, (time_s, number, end) in enumerate(times, start=1):
        slot_of[number, end] = f"ts{place}"
        ElementTree.SubElement(
            slots, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{place}", "TIME_VALUE": f"{_ms(time_s)}"}
        )
    return slot_of


def _add_tier(
    document: ElementTree.Element,
    timeline: Timeline,
    track: int,
    name: str,
    slot_of: dict[tuple[int, int], str],
) -> None:
    tier = ElementTree.SubElement(
        document, "TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "PARTICIPANT": name, "TIER_ID": name}
    )
    for number, cue in enumerate(timeline.cues):
        if cue.track != track:
            continue
        annotation = ElementTree.SubElement(
            ElementTree.SubElement(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            {
                "ANNOTATION_ID": f"a{number + 1}",
                "TIME_SLOT_REF1": slot_of[number, 0],
                "TIME_SLOT_REF2": slot_of[number, 1],
            },
        )
        value = ElementTree.SubElement(annotation, "ANNOTATION_VALUE")
        value.text = timeline.wording.label(cue.emotion)


def _add_media(header: ElementTree.Element, source: str) -> None:
    path = Path(source)
    kind, _ = mimetypes.guess_type(path.name)
    if "://" in source or kind is None:
        return
    url = path.as_uri() if path.is_absolute() else f"./{path.as_posix()}"
    attributes = {"MEDIA_URL": url, "MIME_TYPE": kind}
    if not path.is_absolute():
        attributes["RELATIVE_MEDIA_URL"] = f"./{path.as_posix()}"
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", attributes)


def _intervals(timeline: Timeline, track: int, end_s: float) -> list[tuple[float, float, str]]:
    intervals: list[tuple[float, float, str]] = []
    done_s = 0.0
    for cue in timeline.of_track(track):
        if cue.start_s > done_s:
            intervals.append((done_s, cue.start_s, ""))
        intervals.append((cue.start_s, cue.end_s, timeline.wording.label(cue.emotion)))
        done_s = cue.end_s
    if done_s < end_s:
        intervals.append((done_s, end_s, ""))
    return intervals


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
