"""`streamfer doctor`: what this machine has, and what to do about each lack."""

from __future__ import annotations

import os
import platform
import sys

import av
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamfer import __version__
from streamfer.app.cli.checks import (
    Finding,
    State,
    check_backends,
    check_cameras,
    check_choice,
    check_display,
    check_ffmpeg,
    check_hardware,
    check_pictures,
    check_store,
    check_weights,
)
from streamfer.app.networks.face_model import face_int8, face_model_name
from streamfer.app.networks.published import weights_folder
from streamfer.errors import EngineError
from streamfer.media.sources.camera import list_cameras
from streamfer.media.sources.hardware import check_hwaccel
from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.runtime.model import NetworkFile, OnnxModel
from streamfer.runtime.planning import Machine, find_machine
from streamfer.runtime.store.store import EngineStore

_MARKS: dict[State, str] = {
    "ok": "[green]✓[/]",
    "absent": "[yellow]–[/]",
    "missing": "[red]✗[/]",
}


def doctor(console: Console, store: EngineStore | None = None) -> int:
    """Looks at this machine and shows what it found.

    Returns:
        The exit code: 0, or 1 where something is missing without which nothing runs.
    """
    findings = examine(find_machine(), store or EngineStore())
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    table.add_column(overflow="fold")
    area = ""
    for finding in findings:
        text = finding.text if not finding.advice else f"{finding.text}\n→ {finding.advice}"
        shown_area = "" if finding.area == area else finding.area
        table.add_row(shown_area, _MARKS[finding.state], escape(text))
        area = finding.area
    console.print(table)
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def examine(machine: Machine, store: EngineStore) -> list[Finding]:
    """Everything that doctor shows, in its order."""
    from streamfer.app.terminal.window import display_available

    face = _face_model(SHIPPED, store)
    return [
        Finding("streamfer", "ok", f"{__version__} on Python {platform.python_version()}"),
        *check_ffmpeg(_has_codec, has_gpu=bool(machine.gpus)),
        *check_cameras(list_cameras(), _may_read),
        check_display(display_available()),
        *check_hardware(machine),
        *check_backends(machine),
        *check_choice(machine, face),
        *check_pictures(machine, face, check_hwaccel),
        *check_weights(SHIPPED, weights_folder()),
        check_store(store),
    ]


def _face_model(weights: WeightFiles, store: EngineStore) -> OnnxModel:
    """The face network as far as the choice of a backend needs it: without its file."""
    try:
        int8 = face_int8(weights, NetworkFile.of(b""), store)
    except EngineError:
        int8 = None
    return OnnxModel.from_bytes(face_model_name(weights), b"", torch_module=object, int8=int8)


def _has_codec(name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, mode)
    except (av.error.FFmpegError, ValueError):  # unknown names are ValueErrors
        return False
    return True


def _may_read(camera: str) -> bool:
    """Cameras have paths on Linux only; elsewhere the system asks the user."""
    return not sys.platform.startswith("linux") or os.access(camera, os.R_OK | os.W_OK)
