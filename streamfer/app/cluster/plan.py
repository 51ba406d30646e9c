"""What a run on a cluster is made of, and what it refuses, before anything is started."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfer.app.cluster.fingerprint import Fingerprint
from streamfer.app.cluster.queue import Unit
from streamfer.app.cluster.reports import PER_STREAM
from streamfer.app.config import RunConfig
from streamfer.app.config_fields import flag_name
from streamfer.app.session.outputs import STREAM_FIELD, claim_outputs, network_output, output_path
from streamfer.app.session.resume import resume
from streamfer.app.session.shards import in_shard
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.kinds import KINDS, SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources

_NOT_FOR_WORKERS: dict[str, Any] = {
    "source": (),
    "display": False,
    "web": None,
    "web_tls": None,
    "web_sources": None,
    "metrics": None,
    "json_summary": None,
    "save_config": None,
    "skip_existing": False,
    "shard": None,
    "cluster": None,
    "quiet": True,
}
"""What the driver does itself, and what workers are told instead."""
_NOT_FOR_RESULTS = frozenset(
    {
        *("threads", "cpu_budget", "concurrent_files", "device", "backend", "log_level"),
        *("cpus_per_worker", "gpu_share", "streams_per_worker"),
        *("webhook", "webhook_key", "mqtt", "lsl"),
        *("max_reconnects", "rtsp_transport", "tls_verify", "tls_ca", "hwaccel"),
    }
)
"""What a run may change without its results becoming others."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """A run, checked."""

    config: RunConfig
    specs: tuple[SourceSpec, ...]
    live: bool
    """Whether it is cameras."""
    folder: Path
    claims: OutputClaims

    @property
    def units(self) -> list[Unit]:
        """The files."""
        return [Unit(_unit_id(spec), spec) for spec in self.specs]

    @property
    def worker_config(self) -> RunConfig:
        """What workers are told; the cameras' passwords are not in it."""
        return dataclasses.replace(self.config, **_NOT_FOR_WORKERS)

    @property
    def working_folder(self) -> Path | None:
        """Where workers have to be for relative paths to mean the same; None where there are
        none."""
        config = self.config
        named = [
            config.output,
            config.records,
            config.subtitles,
            config.webhook_key,
            config.tls_ca,
            self.folder,
        ]
        named += [config.clips, config.snapshot_dir if config.snapshot_every else None]
        named += [Path(s.location) for s in self.specs if s.kind is SourceKind.FILE]
        if config.face_model.endswith(".safetensors"):
            named.append(Path(config.face_model))
        relative = any(path is not None and not path.is_absolute() for path in named)
        return Path.cwd() if relative else None

    def target(self, output: str, stream: str) -> Path:
        """The folder that a kind of output of a stream belongs in."""
        if output in PER_STREAM:
            template = getattr(self.config, output)
            assert template is not None
            return output_path(template, stream).parent
        return {"snapshots": self.config.snapshot_dir, "clips": self.config.clips or Path()}[output]

    def identity(self, found: Fingerprint) -> dict[str, str]:
        """What decides the results, by name.

        Args:
            found: the program and its weights.
        """
        fields = dataclasses.fields(RunConfig)
        passed = _NOT_FOR_RESULTS | _NOT_FOR_WORKERS.keys()
        values = {
            flag_name(f.name): getattr(self.config, f.name) for f in fields if f.name not in passed
        }
        return {name: str(value) for name, value in values.items()} | {
            "streamfer": found.version,
            "weights": found.weights,
        }


def cluster_plan(config: RunConfig) -> ClusterPlan:
    """Checks everything that can be checked without a cluster.

    Raises:
        ConfigError: the run is none for a cluster.
        SourceError: nothing of what is named exists.
        OutputError: an output cannot be written.
    """
    specs = in_shard(expand_sources(config.source), config.shard)
    live = [spec for spec in specs if spec.kind is SourceKind.NETWORK]
    for spec in specs:
        if not KINDS[spec.kind].anywhere:
            raise ConfigError(f"--cluster: {spec} belongs to one machine; run it there")
        if (
            spec.kind is SourceKind.FILE
            and os.path.exists(spec.path)
            and not os.path.isfile(spec.path)
        ):
            raise ConfigError(f"--cluster: {spec}: is a pipe, which only one machine can read")
    if live and len(live) < len(specs):
        raise ConfigError("--cluster: takes files or live streams, not both in one run")
    _refuse_options(config, live=bool(live))
    claims = claim_outputs(config, specs)
    if not live:
        specs = resume(config, specs).specs
    return ClusterPlan(config, tuple(specs), bool(live), _folder(config), claims)


def _refuse_options(config: RunConfig, *, live: bool) -> None:
    if config.display:
        raise ConfigError("--display: a run on a cluster has no window")
    if config.latents is not None:
        raise ConfigError(
            "--latents: all streams share that file, so one machine has to write it; run without"
            " --cluster"
        )
    if config.realtime:
        raise ConfigError("--realtime: cannot go with --cluster")
    for name in PER_STREAM:
        template = getattr(config, name)
        if template is not None and STREAM_FIELD not in str(template):
            raise ConfigError(
                f"--{name} {template}: on a cluster every stream has a file of its own; put"
                f" {STREAM_FIELD} into the name"
            )
    to_network = config.output is not None and network_output(config.output, "x") is not None
    if to_network and not live:
        raise ConfigError("--output: on a cluster files go into files")
    if config.records is None and (config.output is None or to_network):
        raise ConfigError("--cluster: needs --records or --output, whose folder holds the job")


def _folder(config: RunConfig) -> Path:
    """The folder of the records, or of the videos: as far as it is the same for all streams."""
    template = config.records or config.output
    assert template is not None
    parts = []
    for part in template.parent.parts:
        if STREAM_FIELD in part:
            break
        parts.append(part)
    return Path(*parts)


def _unit_id(spec: SourceSpec) -> str:
    place = os.path.abspath(spec.location) if spec.kind is SourceKind.FILE else spec.label
    digest = hashlib.blake2b(place.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{spec.name}-{digest}"
