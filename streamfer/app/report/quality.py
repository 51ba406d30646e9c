"""What a report says of records besides themselves: whether they hold, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamfer.app.report.measure.command import SCHEMA
from streamfer.app.report.recording import Recording
from streamfer.errors import SourceError
from streamfer.media.files.same_path import places_of
from streamfer.media.verify.outputs import verify_outputs


def quality(recording: Recording, records: Path, video: Path | None, verify: bool) -> list[str]:
    """Sentences about how far records can be trusted.

    Args:
        recording: what was read of them.
        records: their file.
        video: that was analysed; None where it is not here.
        verify: whether to hold one against the other, frame by frame, which decodes the video.

    Raises:
        SourceError: the video cannot be read.
    """
    if video is None:
        return ["not verified: the video is not here"]
    said = [f"the video's index agrees with {len(recording.samples)} of the records' times"]
    if not verify:
        return [*said, "not verified frame by frame: --verify does that"]
    differences = verify_outputs(video, None, records, stream=recording.stream, segments=True)
    return [*said, *(differences or ["verified: every frame, its time and its faces hold"])]


class Measures:
    """What `streamfer measure --json` has found between faces."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
        """By run, None where there is one, and stream."""

    def add(self, pair: Mapping[str, Any]) -> None:
        """Takes a pair of the file.

        Raises:
            KeyError, TypeError, ValueError: it lacks what every pair has, or has it wrong.
        """
        first, second = map(int, pair["tracks"])
        kept = {key: pair[key] for key in ("correlation", "lag_s", "p")}
        for key in ("second_follows", "first_follows"):
            kept[key] = int(pair[key]["count"])
        run = pair.get("run")
        place = (None if run is None else str(run), str(pair["stream"]))
        self._pairs.setdefault(place, []).append({"tracks": [first, second], **kept})

    def pairs(self, records: Path, stream: str) -> list[dict[str, Any]]:
        """The pairs of a stream of some records; none where it is not clear which run they are."""
        runs = sorted({run for run, _ in self._pairs if run is not None})
        places = places_of(str(records), runs)
        if not runs:
            return self._pairs.get((None, stream), [])
        return self._pairs.get((runs[places[0]], stream), []) if len(places) == 1 else []


def read_measures(path: Path) -> Measures:
    """Reads what `streamfer measure --json` has found between faces.

    Raises:
        SourceError: the file cannot be read, or is none of those.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        measures = Measures()
        for pair in found["pairs"]:
            measures.add(pair)
        return measures
    except OSError as error:
        raise SourceError(f"--measures {path}: cannot read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"--measures {path}: is not what streamfer measure --json writes ({error})"
        ) from error
