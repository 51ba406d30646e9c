"""`streamfer doctor`: what this machine has, and what to do about each lack."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamfer import __version__
from streamfer.app.networks.face_model import face_int8, face_model_name
from streamfer.app.networks.face_reader import picture_path
from streamfer.app.networks.published import PUBLISHED, weights_folder
from streamfer.errors import ConfigError, EngineError
from streamfer.media.sources.camera import list_cameras
from streamfer.media.sources.hardware import check_hwaccel
from streamfer.models.int8_calibration import read_calibration
from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.runtime.extras import install_command
from streamfer.runtime.hardware import Gpu
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.planning import BACKENDS, Machine, find_machine, plan_engine
from streamfer.runtime.store.store import EngineStore

State = Literal["ok", "absent", "missing"]
"""`absent`: it runs without; `missing`: it does not."""

_WHY = {
    "openvino": "install it, it is faster than onnxruntime",
    "torch": "to train and to measure, install it",
}
"""What one gains by installing a backend."""

_MARKS: dict[State, str] = {
    "ok": "[green]✓[/]",
    "absent": "[yellow]–[/]",
    "missing": "[red]✗[/]",
}

_DECODERS = ("h264", "hevc", "vp9", "av1", "mjpeg")
_ENCODERS = ("libx264", "aac")
_GPU_CODECS = ("h264_nvenc", "hevc_nvenc")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    area: str
    state: State
    text: str
    advice: str = ""
    """What to do about a lack."""


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


def check_ffmpeg(has_codec: Callable[[str, str], bool], *, has_gpu: bool) -> list[Finding]:
    """FFmpeg and the codecs that matter.

    Args:
        has_codec: whether FFmpeg has a codec, by name and mode (`r` or `w`).
        has_gpu: whether GPU encoders are of interest.
    """
    findings = [Finding("ffmpeg", "ok", f"FFmpeg {av.ffmpeg_version_info}, PyAV {av.__version__}")]
    decoders = [name for name in _DECODERS if has_codec(name, "r")]
    encoders = [name for name in _ENCODERS if has_codec(name, "w")]
    encoders += [name for name in _GPU_CODECS if has_gpu and has_codec(name, "w")]
    findings.append(
        Finding("ffmpeg", "ok", f"decodes {', '.join(decoders)}; encodes {', '.join(encoders)}")
    )
    findings += [
        Finding("ffmpeg", "missing", f"it cannot read {name}", "reinstall PyAV: pip install av")
        for name in ("h264", "mjpeg")
        if name not in decoders
    ]
    if "libx264" not in encoders:
        advice = "install PyAV's own build (pip install av), or choose another --encoder"
        findings.append(Finding("ffmpeg", "absent", "it cannot write H.264 by libx264", advice))
    return findings


def check_cameras(cameras: Sequence[str], may_read: Callable[[str], bool]) -> list[Finding]:
    """The cameras, and whether this user may open them."""
    if not cameras:
        advice = "plug one in; a stream (rtsp://…) or a file needs none"
        return [Finding("cameras", "absent", "none found", advice)]
    findings = []
    for camera in cameras:
        if may_read(camera):
            findings.append(Finding("cameras", "ok", camera))
        else:
            advice = "join the group that owns it: sudo usermod -aG video $USER, then log in again"
            findings.append(Finding("cameras", "absent", f"{camera}: no permission", advice))
    return findings


def check_display(available: bool) -> Finding:
    """Whether a window can be shown."""
    if available:
        return Finding("display", "ok", "there is one")
    return Finding("display", "absent", "none", "without one, use --output or --records")


def check_hardware(machine: Machine) -> list[Finding]:
    """Processor and GPUs."""
    findings = [Finding("processor", "ok", f"{machine.cpu}, {os.cpu_count()} cores")]
    if not machine.gpus:
        advice = "with one, install NVIDIA's driver and: pip install 'streamfer[gpu]'"
        return [*findings, Finding("gpu", "absent", "no NVIDIA GPU", advice)]
    findings += [Finding("gpu", "ok", _describe_gpu(gpu)) for gpu in machine.gpus]
    if not machine.torch_sees_gpu:
        advice = "install a torch with CUDA that fits the driver: https://pytorch.org/get-started"
        if "torch" not in machine.versions:
            advice = "install torch: pip install 'streamfer[gpu]'"
        findings.append(Finding("gpu", "absent", "torch cannot use it, so nothing can", advice))
    return findings


def check_backends(machine: Machine) -> list[Finding]:
    """The inference backends that are installed."""
    findings = []
    for backend in BACKENDS:
        version = machine.versions.get(backend)
        if version is not None:
            findings.append(Finding("backends", "ok", f"{backend} {version}"))
        elif (backend == "openvino" and not machine.x86) or (
            backend == "tensorrt" and not machine.gpus
        ):
            findings.append(Finding("backends", "absent", f"no {backend}, and no use for it here"))
        else:
            state: State = "missing" if backend == "onnxruntime" else "absent"
            advice = _WHY.get(backend, "install it") + f": {install_command(backend)}"
            findings.append(Finding("backends", state, f"no {backend}", advice))
    return findings


def check_choice(machine: Machine, face: OnnxModel) -> list[Finding]:
    """What `--backend auto` takes for each network and why, and what `--backend torch` would."""
    detector = OnnxModel.from_bytes("centerface", b"")
    findings = []
    for model in (detector, face):
        try:
            plan = plan_engine(model, machine)[0]
        except EngineError as error:
            findings.append(Finding("choice", "missing", str(error), "install a backend"))
            continue
        text = f"{model.name}: {plan.backend} on {plan.device} in {plan.precision}: {plan.reason}"
        findings.append(Finding("choice", "ok", text))
    if "torch" in machine.versions and "onnxruntime" in machine.versions:
        plan = plan_engine(detector, machine, backend="torch")[0]
        text = f"under --backend torch, {detector.name} runs on {plan.backend}: {plan.reason}"
        findings.append(Finding("choice", "ok", text))
    return findings


def check_pictures(
    machine: Machine, face: OnnxModel, check_decoder: Callable[[str], None]
) -> list[Finding]:
    """Where pictures are decoded and where the networks get them, under `--backend auto`.

    Args:
        machine: what there is.
        face: the face network.
        check_decoder: raises where FFmpeg cannot decode with a hardware of this name.
    """
    try:
        models = (OnnxModel.from_bytes("centerface", b""), face)
        detector_device, face_device = (plan_engine(m, machine)[0].device for m in models)
    except EngineError:
        return []  # `check_choice` says it
    findings = [Finding("pictures", "ok", picture_path(detector_device, face_device))]
    if machine.gpus:
        try:
            check_decoder("cuda")
            findings.append(Finding("pictures", "ok", "the GPU can decode: --hwaccel cuda"))
        except ConfigError as error:
            advice = "the CPU decodes; for NVDEC install PyAV's own build: pip install av"
            findings.append(Finding("pictures", "absent", str(error), advice))
    return findings


def check_weights(shipped: WeightFiles, folder: Path) -> list[Finding]:
    """The shipped weights, and the published ones that have been pulled.

    Args:
        shipped: the networks' own files.
        folder: where pulled ones lie.
    """
    if shipped.classifier.is_file():
        findings = [_shipped(shipped.classifier), _calibration(shipped)]
    else:
        text = f"{shipped.classifier} is not there"
        findings = [Finding("weights", "missing", text, "install streamfer again")]
    if shipped.missing_latent:
        names = ", ".join(path.name for path in shipped.missing_latent)
        text = f"no {names}: faces get no latent codes, so there is nothing to refine"
        findings.append(Finding("weights", "absent", text, "see streamfer train --help"))
    else:
        files = (shipped.generator, shipped.encoder, shipped.fused_heads)
        findings += [_shipped(path) for path in files]
    for weights in PUBLISHED.values():
        if (folder / weights.file_name).is_file():
            findings.append(Finding("weights", "ok", f"{weights.name}, pulled"))
        else:
            advice = f"if you want it: {weights.command}"
            findings.append(Finding("weights", "absent", f"no {weights.name}", advice))
    return findings


def _face_model(weights: WeightFiles, store: EngineStore) -> OnnxModel:
    """The face network as far as the choice of a backend needs it: without its file."""
    try:
        int8 = face_int8(weights, b"", store)
    except EngineError:
        int8 = None
    return OnnxModel.from_bytes(face_model_name(weights), b"", torch_module=object, int8=int8)


def _calibration(weights: WeightFiles) -> Finding:
    advice = f"for int8: python -m streamfer.training.int8 --data fer/ --out {weights.int8}"
    try:
        calibration = read_calibration(weights)
    except EngineError as error:
        return Finding("weights", "absent", str(error), advice)
    if calibration is None:
        text = f"{weights.int8.name} is missing or was made for other weights"
        return Finding("weights", "absent", text, advice)
    cost = f"{100 * calibration.accuracy_cost:.2f} points of accuracy"
    return Finding("weights", "ok", f"{weights.int8.name}: int8 costs {cost}")


def _shipped(path: Path) -> Finding:
    size = path.stat().st_size / 1e6
    return Finding("weights", "ok", f"{path.name}, {size:.1f} MB, shipped")


def check_store(store: EngineStore) -> Finding:
    """The store of compiled engines."""
    entries = store.entries()
    size = sum(entry.size for entry in entries) / 1e6
    text = f"{store.root}: {len(entries)} kept, {size:.1f} MB"
    existing = next(path for path in (store.root, *store.root.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Finding("engines", "ok", text)
    advice = "set STREAMFER_HOME to a folder that can be written, or every start compiles anew"
    return Finding("engines", "absent", f"{store.root} cannot be written", advice)


def _has_codec(name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, mode)
    except (av.error.FFmpegError, ValueError):  # unknown names are ValueErrors
        return False
    return True


def _may_read(camera: str) -> bool:
    """Cameras have paths on Linux only; elsewhere the system asks the user."""
    return not sys.platform.startswith("linux") or os.access(camera, os.R_OK | os.W_OK)


def _describe_gpu(gpu: Gpu) -> str:
    return f"{gpu}, {gpu.memory_bytes / 2**30:.0f} GiB"
