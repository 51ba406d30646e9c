"""`streamfer plot`: the timeline of each track as a figure for papers."""

from __future__ import annotations

import sys
from collections import defaultdict
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.app.report.faces import FaceRows, reading
from streamfer.errors import ConfigError, OutputError
from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.records.reader import read_records
from streamfer.runtime.extras import install_command

Floats = NDArray[np.float64]

_FORMATS = (".png", ".svg", ".pdf")
MOST_TRACKS = 40
"""In one figure, which is as tall as a page for every eight of them."""
_LONGEST_PAUSE_S = 0.5
"""A curve bridges no longer absence."""
_DASHES = ("-", (0, (5, 2)), (0, (2, 2)), "-", (0, (6, 2, 2, 2)), (0, (4, 2)), (0, (1, 2)))
"""As on the pages: colours alone are not told apart in print."""


def plot(records: Path, out: Path) -> None:
    """Draws seven curves over time for each track.

    Args:
        records: a records file.
        out: `.png`, `.svg` or `.pdf`.

    Raises:
        ConfigError: the name has another ending, matplotlib is missing, or there are no faces.
        OutputError: it cannot be written.
        SourceError: the records cannot be read.

    Of very many tracks those with most frames are drawn, and a line on stderr says so.
    """
    if out.suffix.lower() not in _FORMATS:
        raise ConfigError(f"--out {out}: figures end in {', '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise ConfigError(f"plot needs matplotlib: {install_command('matplotlib')}")
    tracks = _tracks(records)
    if not tracks:
        raise ConfigError(f"{records}: no faces in it; nothing to plot")
    if len(tracks) > MOST_TRACKS:
        print(
            f"{records}: {len(tracks)} tracks; the {MOST_TRACKS} with most frames are drawn",
            file=sys.stderr,
        )
        tracks = _longest(tracks)
    claimed = OutputClaims([records]).replace(out)
    figure = _figure(tracks)
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix[1:].lower(), dpi=200)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(claimed, picture.getvalue())
    except OSError as error:
        raise OutputError(f"{out}: cannot write: {error.strerror or error}") from error


def _tracks(records: Path) -> dict[tuple[str, int], tuple[Floats, Floats]]:
    """Times and shares by stream and track."""
    streams: dict[str, FaceRows] = defaultdict(FaceRows)
    with reading(records):
        for record in read_records(records, segments=True).frames:
            for face in record.get("faces") or []:
                streams[str(record["stream"])].add(0, record["time_s"], face)
        return {
            (stream, track): _with_gaps(faces.time_s, faces.shares)
            for stream, rows in streams.items()
            for track, faces in rows.table().by_track()
        }


def _longest(
    tracks: dict[tuple[str, int], tuple[Floats, Floats]],
) -> dict[tuple[str, int], tuple[Floats, Floats]]:
    """Those with most frames, in the order in which they stand."""
    kept = set(sorted(tracks, key=lambda key: -len(tracks[key][0]))[:MOST_TRACKS])
    return {key: curves for key, curves in tracks.items() if key in kept}


def _with_gaps(times_s: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Times (n,) and shares (n, 7), with a row of NaN wherever the face was away."""
    breaks = np.flatnonzero(np.diff(times_s) > _LONGEST_PAUSE_S) + 1
    return np.insert(times_s, breaks, times_s[breaks]), np.insert(shares, breaks, np.nan, axis=0)


def _figure(tracks: dict[tuple[str, int], tuple[Floats, Floats]]) -> Any:
    # The plain figure needs no display, and leaves pyplot's state of other programs alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.8 + 1.2 * len(tracks)), layout="constrained")
    axes = figure.subplots(len(tracks), 1, sharex=True, squeeze=False)[:, 0]
    streams = {stream for stream, _ in tracks}
    for ax, ((stream, track), (times, shares)) in zip(axes, tracks.items(), strict=True):
        for i, label in enumerate(LABELS):
            colour = tuple(c / 255 for c in COLOURS_RGB[label])
            ax.plot(times, shares[:, i], color=colour, ls=_DASHES[i], lw=1.2, label=label)
        ax.set_ylim(0, 1)
        ax.set_ylabel(f"face {track}" if len(streams) == 1 else f"{stream}\nface {track}")
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("time (s)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(LABELS), frameon=False)
    return figure
