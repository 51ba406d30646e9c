"""The run's configuration: every option once, for the command line, TOML files and Python."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamfer.app.address import parse_address, parse_cluster
from streamfer.app.allowed_sources import allowed_sources
from streamfer.app.config_analysis import AnalysisOptions
from streamfer.app.config_fields import (
    DropPolicy,
    LogLevel,
    check_baseline,
    check_detection,
    check_device,
    check_face_model,
    check_likeness,
    check_ranges,
    flag_name,
    option,
)
from streamfer.errors import ConfigError
from streamfer.media.redact import redact_url


@dataclass(frozen=True, slots=True)
class RunConfig(AnalysisOptions):
    """Everything that a run can be told; names are those of the command line."""

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
        check_ranges(self)
        check_detection(self.detect_every, self.detect_size)
        check_device(self.device)
        check_face_model(self.face_model, self.backbone)
        check_likeness(
            faces=self.faces,
            show=self.show,
            face_model=self.face_model,
            clips=self.clips,
            latents=self.latents,
        )
        check_baseline(self.baseline)
        if self.segment is not None and self.skip_existing:
            raise ConfigError(
                "--segment cannot go with --skip-existing: which files make a complete output is"
                " not known beforehand"
            )
        if self.clips is not None and self.loop > 1:
            raise ConfigError(
                "--clips cannot go with --loop: a moment of the run is no place there"
            )
        if self.metrics is not None:
            parse_address(self.metrics, "--metrics")
        if self.cluster is not None:
            parse_cluster(self.cluster)
        if self.gpu_share is not None and self.gpu_share > 1 and self.gpu_share % 1:
            raise ConfigError(f"--gpu-share: part of one GPU, or whole ones, got {self.gpu_share}")
        self._check_web()

    def _check_web(self) -> None:
        for flag, value in (("--web-tls", self.web_tls), ("--web-sources", self.web_sources)):
            if value is not None and self.web is None:
                raise ConfigError(f"{flag}: is of --web, which is not asked for")
        if self.web is not None:
            parse_address(self.web, "--web")
        if self.web_tls is not None and len(self.web_tls) != 2:
            raise ConfigError("--web-tls: expected two files, a certificate and its key")
        allowed_sources(self.web_sources)

    def to_json(self) -> str:
        """The configuration as JSON text, keys as on the command line, without credentials."""
        values = {flag_name(f.name): getattr(self, f.name) for f in dataclasses.fields(self)}
        del values["save-config"]  # read back, it would make every run write over its own file
        values["source"] = [redact_url(source) for source in self.source]
        for name in ("webhook", "mqtt", "output"):  # --output may be an address
            values[name] = values[name] and redact_url(str(values[name]))
        return json.dumps(values, indent=2, default=str) + "\n"


def resolve(command_line: Mapping[str, Any], file_values: Mapping[str, Any]) -> RunConfig:
    """Merges what was typed over what the file says over the defaults.

    Raises:
        ConfigError: a value is out of range.
    """
    return RunConfig(**{**file_values, **command_line})
