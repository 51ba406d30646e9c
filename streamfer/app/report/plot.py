"""`streamfer plot`: the timeline of each track as a figure for papers."""

from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.errors import ConfigError, OutputError
from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.records.reader import read_records
from streamfer.runtime.extras import install_command

_FORMATS = (".png", ".svg", ".pdf")
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
    """
    if out.suffix.lower() not in _FORMATS:
        raise ConfigError(f"--out {out}: figures end in {', '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise ConfigError(f"plot needs matplotlib: {install_command('matplotlib')}")
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    shares: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    for record in read_records(records, segments=True).frames:
        for face in record.get("faces") or []:
            key = record["stream"], face["track"]
            times[key].append(record["time_s"])
            shares[key].append(face.get("smoothed") or face["probs"])
    if not times:
        raise ConfigError(f"{records}: no faces in it; nothing to plot")
    claimed = OutputClaims([records]).replace(out)
    figure = _figure({key: _with_gaps(times[key], shares[key]) for key in times})
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix[1:].lower(), dpi=200)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(claimed, picture.getvalue())
    except OSError as error:
        raise OutputError(f"{out}: cannot write: {error.strerror or error}") from error


def _with_gaps(times: list[float], shares: list[list[float]]) -> tuple[Any, Any]:
    """Times (n,) and shares (n, 7), with a row of NaN wherever the face was away."""
    at, rows = np.array(times), np.array(shares)
    breaks = np.flatnonzero(np.diff(at) > _LONGEST_PAUSE_S) + 1
    return np.insert(at, breaks, at[breaks]), np.insert(rows, breaks, np.nan, axis=0)


def _figure(tracks: dict[tuple[str, int], tuple[Any, Any]]) -> Any:
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
