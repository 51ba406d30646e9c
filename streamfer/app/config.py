"""The run's configuration: every option once, for the command line, TOML files and Python."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streamfer.app.address import parse_address, parse_cluster
from streamfer.app.allowed_sources import allowed_sources
from streamfer.errors import ConfigError
from streamfer.labels import LabelSet
from streamfer.media.redact import redact_url
from streamfer.media.subtitles.wording import Language
from streamfer.models.inversion.descent import STEPS_OF_A_RUN
from streamfer.runtime.backends.names import BackendName

Backend = Literal["auto", BackendName]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
DetectorName = Literal["auto", "centerface", "retinaface-mobilenet0.25", "retinaface-resnet50"]
FaceModelName = Literal["shipped", "e4e-ffhq", "psp-ffhq"]
DropPolicy = Literal["auto", "never", "oldest"]
LogLevel = Literal["debug", "info", "warning", "error"]

DETECTION_SIDE = 640
"""Long side of the detector's input for a whole picture, where `--detect-size` is auto."""


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


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that a run can be told; names are those of the command line."""

    source: tuple[str, ...] = ()
    """What to analyse."""

    output: Path | None = option(
        None,
        "Annotated video: a file, or an rtsp, rtmp, srt or udp address; of a picture also .png,"
        " .jpg or .webp. With several sources the name must hold {stream}; {kind} for the suffix:"
        " pictures for pictures, mp4 for the rest.",
        group="Outputs",
    )
    records: Path | None = option(
        None,
        "Records of every frame: .jsonl, .csv or .parquet; {stream} in the name: a file each.",
        group="Outputs",
    )
    latents: Path | None = option(
        None, "Latent code of every face: .parquet. Biometric data!", group="Outputs"
    )
    subtitles: Path | None = option(
        None,
        "Subtitles of who shows what: .vtt, .srt or .ass; with several sources the name must hold"
        " {stream}.",
        group="Outputs",
    )
    embed_subtitles: bool = option(
        False, "Carry subtitles inside the file of --output, too.", group="Outputs"
    )
    language: Language = option("en", "Of the subtitles' words.", group="Outputs")
    speaker: tuple[str, ...] = option(
        (),
        "What subtitles call a track, or that of one stream; any number.",
        group="Outputs",
        metavar="[STREAM:]TRACK=NAME",
    )
    display: bool | None = option(
        None, "Show a window; by default if there is a display.", group="Outputs"
    )
    segment: float | None = option(
        None,
        "Start new files of video and records every so many seconds.",
        group="Outputs",
        low=1.0,
        metavar="SECONDS",
    )
    snapshot_every: float | None = option(
        None,
        "Save an annotated picture every so many seconds of media time.",
        group="Outputs",
        low=0.001,
        metavar="SECONDS",
    )
    snapshot_dir: Path = option(
        Path("snapshots"), "Where --snapshot-every and the window's s key save.", group="Outputs"
    )
    webhook: str | None = option(
        None,
        "POST every event as JSON to this address; tried again until it is taken.",
        group="Events",
        metavar="URL",
    )
    webhook_key: Path | None = option(
        None,
        "File whose text signs what is posted, HMAC-SHA256.",
        group="Events",
        metavar="FILE",
    )
    mqtt: str | None = option(
        None,
        "Publish results and events: mqtt[s]://[USER:PASSWORD@]HOST[:PORT]/PREFIX.",
        group="Events",
        metavar="URL",
    )
    clips: Path | None = option(
        None,
        "Folder for a video around each event, not encoded again.",
        group="Events",
        metavar="FOLDER",
    )
    clip_before: float = option(
        5.0, "Seconds of a clip before its event.", group="Events", low=0.0, high=60.0
    )
    clip_after: float = option(
        5.0, "Seconds of a clip after its event.", group="Events", low=0.0, high=60.0
    )
    lsl: bool = option(
        False,
        "Offer probabilities and events as streams of the Lab Streaming Layer.",
        group="Events",
    )
    json_summary: Path | None = option(None, "Write the run's figures as JSON.", group="Outputs")
    encoder: str = option(
        "libx264", "Video encoder: libx264, h264_nvenc, …", group="Outputs", metavar="NAME"
    )
    crf: int = option(20, "Video quality; lower is better.", group="Outputs", low=0, high=51)
    preset: str | None = option(
        None, "The encoder's speed preset; by default a fast one.", group="Outputs", metavar="NAME"
    )
    skip_existing: bool = option(
        False, "Pass over files whose outputs are complete.", group="Outputs"
    )
    save_config: Path | None = option(
        None,
        "Write the resolved configuration as TOML, which --config reads.",
        group="Outputs",
    )

    detector: DetectorName = option("auto", "Face detector.", group="Analysis")
    detect_every: str = option(
        "auto",
        "Detect on every Nth frame and track in between, or auto.",
        group="Analysis",
        metavar="N|auto",
    )
    detect_size: str = option(
        "auto",
        "Long side of the detector's input in pixels; auto: small, and parts at full size in turn.",
        group="Analysis",
        metavar="N|auto",
    )
    min_face: int = option(
        16, "Smallest face to report, in pixels.", group="Analysis", low=1, metavar="PX"
    )
    face_model: str = option(
        "shipped",
        "The shipped networks, a pulled encoder of portraits (e4e-ffhq, psp-ffhq), or a file of"
        " weights that train classifier wrote.",
        group="Analysis",
        metavar="NAME|FILE",
    )
    label_set: LabelSet = option(
        "ferplus", "Whose labels: FER+ crowd votes, or FER2013's.", group="Analysis"
    )
    heads: str = option(
        "all",
        "What else to say of each face: all, none, or of pose, valence, expressiveness.",
        group="Analysis",
        metavar="all|none|NAME,…",
    )
    baseline: str | None = option(
        None,
        "Say how each face departs from its usual look, learned in so many seconds, or all along.",
        group="Analysis",
        metavar="SECONDS|auto",
    )
    events: bool = option(
        True, "See when faces come, go and change, and note it as events.", group="Events"
    )
    event: tuple[str, ...] = option(
        (),
        "A rule that makes an event, such as 'smile: happy > 0.8 for 2 s'; any number.",
        group="Events",
        metavar="[NAME:]RULE",
    )
    refine: bool = option(
        True, "Refine the latent codes of tracked faces in the background.", group="Analysis"
    )
    refine_every: float = option(
        0.5,
        "Media time between two refinements of one face.",
        group="Analysis",
        low=0.1,
        metavar="SECONDS",
    )
    refine_steps: int = option(
        STEPS_OF_A_RUN,
        "Most steps of one refinement.",
        group="Analysis",
        low=1,
        high=10_000,
    )
    backend: Backend = option("auto", "Inference backend.", group="Analysis")
    device: str = option("auto", "auto, cpu, cuda or cuda:N.", group="Analysis", metavar="NAME")
    precision: Precision = option("auto", "Arithmetic of the networks.", group="Analysis")
    threads: int = option(
        0, "Threads for the networks on a CPU; 0 for all cores.", group="Analysis", low=0, high=256
    )

    max_frames: int | None = option(
        None, "Analyse at most so many frames of each source.", group="Sources", low=1
    )
    start: float = option(
        0.0, "Begin a file at this second.", group="Sources", low=0.0, metavar="SECONDS"
    )
    duration: float | None = option(
        None, "Analyse so many seconds of a file.", group="Sources", low=0.001, metavar="SECONDS"
    )
    loop: int = option(1, "Play a file so many times over.", group="Sources", low=1)
    realtime: bool = option(
        False, "Play a file at its own rate as if it were live.", group="Sources"
    )
    drop: DropPolicy = option(
        "auto", "Drop the oldest waiting frame: auto drops for live sources only.", group="Sources"
    )
    concurrent_files: int = option(
        4, "Files open at once, of many.", group="Sources", low=1, high=256
    )
    shard: str | None = option(
        None,
        "Take one of N parts of the sources, the same in every order: for array jobs.",
        group="Sources",
        metavar="I/N",
    )
    max_reconnects: int | None = option(
        None,
        "Give up on a live source after so many tries; by default never.",
        group="Sources",
        low=0,
    )
    rtsp_transport: Literal["tcp", "udp"] = option("tcp", "How RTSP travels.", group="Sources")
    hwaccel: str | None = option(
        None,
        "Decode files and network streams with this hardware: cuda, vaapi, …; by default none.",
        group="Sources",
        metavar="NAME",
    )
    tls_verify: bool = option(
        True, "Demand valid certificates of rtsps and https servers.", group="Sources"
    )
    tls_ca: Path | None = option(
        None,
        "PEM file of certificates to trust; by default the system's.",
        group="Sources",
        metavar="FILE",
    )

    cluster: str | None = option(
        None,
        "Run on the Ray cluster of this machine, on the one at HOST:PORT, or on one of N nodes that"
        " is made here for this run.",
        group="Cluster",
        metavar="auto|HOST:PORT|local:N",
    )
    cpus_per_worker: int | None = option(
        None,
        "CPUs that each worker of a cluster gets; by default 4, with local:N its part of this"
        " machine.",
        group="Cluster",
        low=1,
        high=1024,
        metavar="N",
    )
    gpu_share: float | None = option(
        None,
        "Part of a GPU that each worker of a cluster gets; by default a quarter where the cluster"
        " has GPUs.",
        group="Cluster",
        low=0.0,
        high=16.0,
        metavar="SHARE",
    )
    streams_per_worker: int = option(
        8,
        "Live streams that a worker of a cluster is meant to carry; it takes more where others are"
        " lost.",
        group="Cluster",
        low=1,
        high=1024,
        metavar="N",
    )

    web: str | None = option(
        None,
        "Show the run on a live page; without a host, to this machine only.",
        group="Program",
        metavar="[HOST:]PORT",
    )
    web_tls: tuple[Path, Path] | None = option(
        None,
        "Serve the page over TLS with this certificate and key, PEM files.",
        group="Program",
        metavar="CERT KEY",
    )
    web_sources: str | None = option(
        None,
        "What the page may add for whoever is not at this machine, besides sources of hosts that"
        " the run has already: hosts, *.domains, networks and camera:, with commas.",
        group="Program",
        metavar="HOSTS",
    )
    metrics: str | None = option(
        None,
        "Serve the figures to Prometheus; without a host, to this machine only.",
        group="Program",
        metavar="HOST:PORT",
    )
    quiet: bool = option(False, "Print nothing but errors.", group="Program")
    log_level: LogLevel = option(
        "warning", "What to log; debug also shows tracebacks.", group="Program"
    )

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check_range(spec, getattr(self, spec.name))
        if self.detect_every != "auto" and not (
            self.detect_every.isdigit() and int(self.detect_every) >= 1
        ):
            raise ConfigError(
                f"--detect-every: expected a number of frames or auto, got {self.detect_every!r}"
            )
        if self.detect_size != "auto" and not (
            self.detect_size.isdigit() and 64 <= int(self.detect_size) <= 4096
        ):
            raise ConfigError(
                f"--detect-size: expected 64 to 4096 pixels or auto, got {self.detect_size!r}"
            )
        if self.segment is not None and self.skip_existing:
            raise ConfigError(
                "--segment cannot go with --skip-existing: which files make a complete output is"
                " not known beforehand"
            )
        _check_device(self.device)
        _check_face_model(self.face_model)
        if self.baseline is not None and not is_baseline(self.baseline):
            raise ConfigError(
                f"--baseline: expected a number of seconds above 0 or auto, got {self.baseline!r}"
            )
        if self.clips is not None and self.loop > 1:
            raise ConfigError(
                "--clips cannot go with --loop: a moment of the run is no place there"
            )
        if self.metrics is not None:
            parse_address(self.metrics, "--metrics")
        if self.web is not None:
            parse_address(self.web, "--web")
        if self.cluster is not None:
            parse_cluster(self.cluster)
        if self.gpu_share is not None and self.gpu_share > 1 and self.gpu_share % 1:
            raise ConfigError(f"--gpu-share: part of one GPU, or whole ones, got {self.gpu_share}")
        if self.web_tls is not None and self.web is None:
            raise ConfigError("--web-tls: is of --web, which is not asked for")
        if self.web_tls is not None and len(self.web_tls) != 2:
            raise ConfigError("--web-tls: expected two files, a certificate and its key")
        if self.web_sources is not None and self.web is None:
            raise ConfigError("--web-sources: is of --web, which is not asked for")
        allowed_sources(self.web_sources)

    @property
    def detection_interval(self) -> int | Literal["auto"]:
        """`detect_every` as the tracker takes it."""
        return "auto" if self.detect_every == "auto" else int(self.detect_every)

    @property
    def baseline_s(self) -> float | None:
        """Seconds of `baseline`; None for `auto`."""
        return None if self.baseline in (None, "auto") else float(self.baseline)

    @property
    def detection_side(self) -> int:
        """Long side of the detector's input for a whole picture, in pixels."""
        return DETECTION_SIDE if self.detect_size == "auto" else int(self.detect_size)

    def to_json(self) -> str:
        """The configuration as JSON text, keys as on the command line, without credentials."""
        values = {flag_name(f.name): getattr(self, f.name) for f in dataclasses.fields(self)}
        del values["save-config"]  # read back, it would make every run write over its own file
        values["source"] = [redact_url(source) for source in self.source]
        for name in ("webhook", "mqtt", "output"):  # --output may be an address
            values[name] = values[name] and redact_url(str(values[name]))
        return json.dumps(values, indent=2, default=str) + "\n"


def flag_name(field_name: str) -> str:
    """`max_frames` → `max-frames`: an option's name in a file, and on the command line after --."""
    return field_name.replace("_", "-")


def resolve(command_line: Mapping[str, Any], file_values: Mapping[str, Any]) -> RunConfig:
    """Merges what was typed over what the file says over the defaults.

    Raises:
        ConfigError: a value is out of range.
    """
    return RunConfig(**{**file_values, **command_line})


def _check_range(spec: dataclasses.Field[Any], value: Any) -> None:
    low, high = spec.metadata.get("low"), spec.metadata.get("high")
    if value is None or (low is None and high is None):
        return
    # Written so that NaN, which compares false with everything, is refused.
    if not ((low is None or value >= low) and (high is None or value <= high)):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ConfigError(f"--{flag_name(spec.name)}: {span}, got {value}")


def is_baseline(text: str) -> bool:
    """Whether a text says how long to learn a baseline: seconds above 0, or `auto`."""
    try:
        return text == "auto" or 0 < float(text) < float("inf")
    except ValueError:
        return False


def _check_device(device: str) -> None:
    name, _, number = device.partition(":")
    if name not in ("auto", "cpu", "cuda") or (":" in device and not number.isdigit()):
        raise ConfigError(f"--device: expected auto, cpu, cuda or cuda:N, got {device!r}")


def _check_face_model(name: str) -> None:
    known = typing.get_args(FaceModelName)
    if name not in known and Path(name).suffix != ".safetensors":
        raise ConfigError(
            f"--face-model: expected one of {', '.join(known)}, or a .safetensors file,"
            f" got {name!r}"
        )
