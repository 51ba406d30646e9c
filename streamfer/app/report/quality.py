"""What a report says of records besides themselves: whether they hold, and what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamfer.app.report.measure.command import SCHEMA
from streamfer.app.report.recording import Recording
from streamfer.errors import SourceError
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
    differences = verify_outputs(video, None, records)
    return [*said, *(differences or ["verified: every frame, its time and its faces hold"])]


def read_measures(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What `streamfer measure --json` has found between faces: pairs, by stream.

    Raises:
        SourceError: the file cannot be read, or is none of those.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        pairs: dict[str, list[dict[str, Any]]] = {}
        for pair in found["pairs"]:
            first, second = map(int, pair["tracks"])
            kept = {key: pair[key] for key in ("correlation", "lag_s", "p")}
            for key in ("second_follows", "first_follows"):
                kept[key] = int(pair[key]["count"])
            pairs.setdefault(str(pair["stream"]), []).append({"tracks": [first, second], **kept})
        return pairs
    except OSError as error:
        raise SourceError(f"--measures {path}: cannot read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(
            f"--measures {path}: is not what streamfer measure --json writes ({error})"
        ) from error
