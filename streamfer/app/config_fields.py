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


REQUIRED: Any = dataclasses.MISSING
"""The default of an option that must be given."""


def option(
    default: Any,
    text: str,
    *,
    group: str | None = None,
    low: float | None = None,
    high: float | None = None,
    metavar: str | None = None,
    show_default: bool = True,
) -> Any:
    """A field of a configuration with what the command line says of it.

    Args:
        default: the value where nothing else is said; `REQUIRED` where it must be given.
        text: the help text.
        group: heading in the help.
        low: smallest allowed number.
        high: largest allowed number.
        metavar: what the help calls the value.
        show_default: whether the help shows the default, where there is one.
    """
    described = {"help": text, "group": group, "low": low, "high": high, "metavar": metavar}
    return field(
        default=default, metadata={**described, "argument": False, "show_default": show_default}
    )


def argument(text: str, *, metavar: str) -> Any:
    """A field that is given without a name.

    Args:
        text: the help text.
        metavar: what the help calls it.
    """
    return field(metadata={"help": text, "metavar": metavar, "argument": True})


def flag_name(field_name: str) -> str:
    """`max_frames` → `max-frames`: an option's name in a file, and on the command line after --."""
    return field_name.replace("_", "-")


def check_ranges(config: Any) -> None:
    """Holds all values of a configuration against the bounds of their fields.

    Raises:
        ConfigError: one lies outside of them.
    """
    for spec in dataclasses.fields(config):
        value = getattr(config, spec.name)
        low, high = spec.metadata.get("low"), spec.metadata.get("high")
        if value is None or (low is None and high is None):
            continue
        # Written so that NaN, which compares false with everything, is refused.
        if not ((low is None or value >= low) and (high is None or value <= high)):
            span = f"at least {low}" if high is None else f"between {low} and {high}"
            raise ConfigError(f"--{flag_name(spec.name)}: {span}, got {value}")


def check_detection(every: str, size: str) -> None:
    """Checks `--detect-every` and `--detect-size`.

    Raises:
        ConfigError: one of them is neither auto nor such a number.
    """
    if every != "auto" and not _is_between(every, 1, 10**9):
        raise ConfigError(f"--detect-every: expected a number of frames or auto, got {every!r}")
    if size != "auto" and not _is_between(size, 64, 4096):
        raise ConfigError(f"--detect-size: expected 64 to 4096 pixels or auto, got {size!r}")


def _is_between(text: str, low: int, high: int) -> bool:
    """Whether a text is a whole number from one to another; Python refuses to read endless ones."""
    return text.isdecimal() and len(text) <= len(str(high)) and low <= int(text) <= high


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
    if name not in ("auto", "cpu", "cuda") or (":" in device and not _is_between(number, 0, 10**6)):
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
