"""What `streamfer doctor` looks at, one area after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av

from streamfer.app.networks.face_reader import picture_path
from streamfer.app.networks.published import PUBLISHED
from streamfer.errors import ConfigError, EngineError
from streamfer.models.int8_calibration import read_calibration
from streamfer.models.shipped import WeightFiles
from streamfer.runtime.backends.table import BACKENDS, Backend
from streamfer.runtime.extras import install_command
from streamfer.runtime.hardware import Gpu
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.planning import Machine, plan_engine
from streamfer.runtime.store.store import EngineStore

State = Literal["ok", "absent", "missing"]
"""`absent`: it runs without; `missing`: it does not."""


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
    for name, backend in BACKENDS.items():
        version = machine.versions.get(name)
        if version is not None:
            findings.append(Finding("backends", "ok", f"{name} {version}"))
        elif not _has_use(backend, machine):
            findings.append(Finding("backends", "absent", f"no {name}, and no use for it here"))
        else:
            state: State = "absent" if backend.gain else "missing"
            advice = f"{backend.gain or 'install it'}: {install_command(name)}"
            findings.append(Finding("backends", state, f"no {name}", advice))
    return findings


def _has_use(backend: Backend, machine: Machine) -> bool:
    """Whether a backend could run anything here if it were installed."""
    return bool(backend.on_gpu and machine.gpus) or (
        backend.on_cpu and (machine.x86 or not backend.x86_only)
    )


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
    if os.path.isfile(shipped.classifier):
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
        if os.path.isfile(folder / weights.file_name):
            findings.append(Finding("weights", "ok", f"{weights.name}, pulled"))
        else:
            advice = f"if you want it: {weights.command}"
            findings.append(Finding("weights", "absent", f"no {weights.name}", advice))
    return findings


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
    existing = next(path for path in (store.root, *store.root.parents) if os.path.exists(path))
    if os.path.isdir(existing) and os.access(existing, os.W_OK):
        return Finding("engines", "ok", text)
    advice = "set STREAMFER_HOME to a folder that can be written, or every start compiles anew"
    return Finding("engines", "absent", f"{store.root} cannot be written", advice)


def _describe_gpu(gpu: Gpu) -> str:
    return f"{gpu}, {gpu.memory_bytes / 2**30:.0f} GiB"
