"""What one option may be: the choices, the bounds, and what the command line says of it."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from streamfer.errors import ConfigError
from streamfer.runtime.backends.names import BackendName

Backend = Literal["auto", BackendName]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
DetectorName = Literal["auto", "centerface", "retinaface-mobilenet0.25", "retinaface-resnet50"]
FaceModelName = Literal["shipped", "e4e-ffhq", "psp-ffhq"]
BackboneName = Literal["any", "vgg19", "resnet18", "resnet50", "dan", "dacl", "rul"]
DropPolicy = Literal["auto", "never", "oldest"]
Show = Literal["drawing", "neutral", "runner-up"]
Faces = Literal["shown", "blurred", "synthetic"]
LogLevel = Literal["debug", "info", "warning", "error"]


def option(
    default: Any,
    text: str,
    *,
    group: str,
    low: float | None = None,
    high: float | None = None,
    metavar: str | None = None,
) -> Any:
    """A field of `RunConfig` with what the command line says of it.

    Args:
        default: the value where nothing else is said.
        text: the help text.
        group: heading in the help.
        low: smallest allowed number.
        high: largest allowed number.
        metavar: what the help calls the value.
    """
    return field(
        default=default,
        metadata={"help": text, "group": group, "low": low, "high": high, "metavar": metavar},
    )


def flag_name(field_name: str) -> str:
    """`max_frames` → `max-frames`: an option's name in a file, and on the command line after --."""
    return field_name.replace("_", "-")


def check_range(spec: dataclasses.Field[Any], value: Any) -> None:
    """Holds a value against the bounds of its field.

    Raises:
        ConfigError: it lies outside of them.
    """
    low, high = spec.metadata.get("low"), spec.metadata.get("high")
    if value is None or (low is None and high is None):
        return
    # Written so that NaN, which compares false with everything, is refused.
    if not ((low is None or value >= low) and (high is None or value <= high)):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ConfigError(f"--{flag_name(spec.name)}: {span}, got {value}")


def check_detection(every: str, size: str) -> None:
    """Checks `--detect-every` and `--detect-size`.

    Raises:
        ConfigError: one of them is neither auto nor such a number.
    """
    if every != "auto" and not (every.isdigit() and int(every) >= 1):
        raise ConfigError(f"--detect-every: expected a number of frames or auto, got {every!r}")
    if size != "auto" and not (size.isdigit() and 64 <= int(size) <= 4096):
        raise ConfigError(f"--detect-size: expected 64 to 4096 pixels or auto, got {size!r}")


def check_baseline(text: str | None) -> None:
    """Checks `--baseline`.

    Raises:
        ConfigError: it is neither auto nor a number of seconds.
    """
    try:
        fits = text in (None, "auto") or 0 < float(text) < float("inf")
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(f"--baseline: expected a number of seconds above 0 or auto, got {text!r}")


def check_device(device: str) -> None:
    """Checks `--device`.

    Raises:
        ConfigError: it names none.
    """
    name, _, number = device.partition(":")
    if name not in ("auto", "cpu", "cuda") or (":" in device and not number.isdigit()):
        raise ConfigError(f"--device: expected auto, cpu, cuda or cuda:N, got {device!r}")


def check_face_model(name: str, backbone: str) -> None:
    """Checks `--face-model` and `--backbone`.

    Raises:
        ConfigError: it is neither a known name nor a file of weights, or has no backbone to choose.
    """
    known = typing.get_args(FaceModelName)
    if backbone != "any" and Path(name).suffix != ".safetensors":
        raise ConfigError(
            f"--backbone {backbone}: needs weights of one's own; train some with streamfer train"
            f" classifier --backbone {backbone}, and give them with --face-model FILE"
        )
    if name not in known and Path(name).suffix != ".safetensors":
        raise ConfigError(
            f"--face-model: expected one of {', '.join(known)}, or a .safetensors file,"
            f" got {name!r}"
        )


def check_likeness(
    *, faces: str, show: str, face_model: str, clips: Path | None, latents: Path | None
) -> None:
    """Checks that `--faces` and `--show` go with each other and with the other outputs.

    Raises:
        ConfigError: something would show the faces that are to be covered, or cannot draw.
    """
    if show != "drawing" and face_model != "shipped":
        raise ConfigError(f"--show {show}: needs the shipped networks, not --face-model")
    if faces == "shown":
        return
    if faces == "synthetic" and face_model != "shipped":
        raise ConfigError("--faces synthetic: needs the shipped networks, not --face-model")
    if clips is not None:
        raise ConfigError(
            f"--clips cannot go with --faces {faces}: clips are cut from the source's own packets,"
            " which show the faces"
        )
    if latents is not None:
        raise ConfigError(
            f"--latents cannot go with --faces {faces}: a face can be drawn from its code"
        )
    if show != "drawing":
        raise ConfigError(
            f"--show cannot go with --faces {faces}: what is drawn would show the face"
        )
