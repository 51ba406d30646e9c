"""`streamfer measure RECORDS`: of each track and of each pair, as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

from streamfer.app.config_fields import check_baseline
from streamfer.app.report.measure.runs import read_tracks
from streamfer.app.report.measure.synchrony import synchrony
from streamfer.app.report.measure.tracks import (
    Track,
    common_times,
    mimicry,
    shares,
    transitions,
)
from streamfer.app.report.measure.usual import departures
from streamfer.errors import ConfigError, OutputError
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.subtitles.wording import parse_names

SCHEMA = "streamfer.measure/1"


def measure(
    records: Sequence[Path],
    json_file: Path | None,
    csv_file: Path | None,
    baseline: str | None = None,
    names: Sequence[str] = (),
) -> int:
    """Measures recorded faces, into files or, without any, onto standard output as JSON.

    Args:
        records: of one or several runs, in any order.
        json_file: where the figures go as JSON.
        csv_file: where they go as CSV.
        baseline: seconds of each face to learn its usual look from, or `auto` for all of them.
        names: `TRACK=NAME` each; tracks of one name are one person to the baseline.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: a name is none of records, a file is named twice, or an output is an input.
        SourceError: records cannot be read.
        OutputError: a file cannot be written.
    """
    check_baseline(baseline)
    if names and baseline is None:
        raise ConfigError("--name: is of --baseline, which is not asked for")
    persons = parse_names(names, "--name")
    twice = next((path for n, path in enumerate(records) if path in records[:n]), None)
    if twice is not None:
        raise ConfigError(f"{twice}: is named twice")
    claims = OutputClaims(records)
    wanted = [("--json", json_file), ("--csv", csv_file)]
    for flag, path in wanted:
        if path is not None:
            claims.name(flag, path)
    figures = _figures(read_tracks(records), baseline, persons)
    as_json = json.dumps(figures, indent=2) + "\n"
    for path, text in ((json_file, as_json), (csv_file, _as_csv(figures))):
        if path is None:
            continue
        try:
            write_whole(claims.replace(path), text.encode())
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    if json_file is None and csv_file is None:
        print(as_json, end="")
    return 0


def _figures(
    tracks: Sequence[Track], baseline: str | None, persons: Mapping[int, str]
) -> dict[str, Any]:
    figures = measured(tracks)
    if baseline is not None:
        learn_s = None if baseline == "auto" else float(baseline)
        found = departures(tracks, learn_s, persons)
        for entry, departure in zip(figures["tracks"], found, strict=True):
            entry["baseline"] = departure
    return figures


def measured(tracks: Sequence[Track]) -> dict[str, Any]:
    """The figures of some tracks, ready for JSON."""
    pairs = [(a, b) for a, b in combinations(tracks, 2) if _together(a, b)]
    return {
        "schema": SCHEMA,
        "tracks": [
            {
                **_place(track),
                "track": track.number,
                "frames": len(track.times_s),
                "seconds": round(track.times_s[-1] - track.times_s[0], 3),
                "shares": shares(track),
                "transitions": transitions(track),
            }
            for track in tracks
        ],
        "pairs": [_pair(a, b) for a, b in pairs],
    }


def _together(first: Track, second: Track) -> bool:
    """Whether two tracks are of one stream, and were there at the same time."""
    return (
        (first.run, first.stream) == (second.run, second.stream)
        and first.times_s[0] <= second.times_s[-1]
        and second.times_s[0] <= first.times_s[-1]
    )


def _place(track: Track) -> dict[str, str]:
    """Where a track is: its stream, and its run where there are several."""
    run = {} if track.run is None else {"run": track.run}
    return {**run, "stream": track.stream}


def _pair(first: Track, second: Track) -> dict[str, Any]:
    times_s = common_times(first, second)
    found = None
    if len(times_s):
        found = synchrony(first.valence(times_s), second.valence(times_s))
    return {
        **_place(first),
        "tracks": [first.number, second.number],
        "correlation": None if found is None else round(found.correlation, 4),
        "lag_s": None if found is None else found.lag_s,
        "p": None if found is None else round(found.p, 4),
        "second_follows": mimicry(first, second),
        "first_follows": mimicry(second, first),
    }


def _as_csv(figures: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    place = ["run"] if any("run" in track for track in figures["tracks"]) else []
    place.append("stream")
    writer.writerow([*place, "track", "other", "measure", "value", "low", "high"])
    for entries, rows in ((figures["tracks"], _track_rows), (figures["pairs"], _pair_rows)):
        for entry in entries:
            writer.writerows([*(entry[key] for key in place), *row] for row in rows(entry))
    return text.getvalue()


def _track_rows(track: Mapping[str, Any]) -> Iterator[list[Any]]:
    of_one = [track["track"], None]
    for label, share in track["shares"].items():
        yield [*of_one, f"share_{label}", share["share"], share["low"], share["high"]]
    if (baseline := track.get("baseline")) is not None:
        yield [*of_one, "departure_mean", baseline["mean"], None, None]
        for kind, label in product(("usual", "shares"), LABELS):
            name = "usual" if kind == "usual" else "departure"
            yield [*of_one, f"{name}_{label}", baseline[kind][label], None, None]
    for before, after in track["transitions"].items():
        for label, count in after.items():
            yield [*of_one, f"transition_{before}_{label}", count, None, None]


def _pair_rows(pair: Mapping[str, Any]) -> Iterator[list[Any]]:
    first, second = pair["tracks"]
    for name in ("correlation", "lag_s", "p"):
        yield [first, second, name, pair[name], None, None]
    for name, who in (("second_follows", (first, second)), ("first_follows", (second, first))):
        yield [*who, "mimicry_count", pair[name]["count"], None, None]
        yield [*who, "mimicry_median_s", pair[name]["median_s"], None, None]
