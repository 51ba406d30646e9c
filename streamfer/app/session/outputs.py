"""Where a run writes: paths per stream, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.output_path import same_file
from streamfer.media.records.latents import check_latents_path
from streamfer.media.records.writer import check_records_path
from streamfer.media.sources.source_list import SourceKind, SourceSpec
from streamfer.media.video.file import VideoConfig, check_encoder
from streamfer.media.video.writer import check_video_path

STREAM_FIELD = "{stream}"


def write_text(path: Path, text: str) -> None:
    """Writes a small text file.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error


def output_path(template: Path, stream: str) -> Path:
    """The path of one stream's output: `out/{stream}.mp4` → `out/talk.mp4`."""
    return Path(str(template).replace(STREAM_FIELD, stream))


def check_run_outputs(config: RunConfig, specs: Sequence[SourceSpec]) -> None:
    """Refuses what cannot be written for the sources of a run; see `check_outputs`.

    Raises:
        ConfigError: as `check_outputs`, or the encoder does not exist or refuses its settings.
        OutputError: as `check_outputs`.
    """
    inputs = [spec.path for spec in specs if spec.kind is SourceKind.FILE]
    check_outputs(config, [spec.name for spec in specs], inputs)
    if config.output is not None:
        check_encoder(VideoConfig(config.encoder, config.preset, config.crf))


def check_outputs(config: RunConfig, streams: Sequence[str], inputs: Sequence[Path]) -> None:
    """Refuses outputs that cannot be, before any source or output is opened.

    Args:
        config: names the outputs.
        streams: names of all streams.
        inputs: files that will be read.

    Raises:
        ConfigError: two streams share one video, or an output is an input or another output.
        OutputError: a folder is missing or cannot be written to.
    """
    if config.output and len(streams) > 1 and STREAM_FIELD not in str(config.output):
        raise ConfigError(
            f"--output {config.output}: {len(streams)} streams would overwrite each other; put"
            f" {STREAM_FIELD} into the name"
        )
    if config.records and STREAM_FIELD in str(config.records):
        raise ConfigError(f"--records {config.records}: all streams share one file of records")
    if config.latents and STREAM_FIELD in str(config.latents):
        raise ConfigError(f"--latents {config.latents}: all streams share one file of latents")
    seen: dict[str, str] = {}
    for flag, path in _all_outputs(config, streams):
        _check_not_an_input(flag, path, inputs)
        _check_writable(flag, path)
        if flag == "--output":
            check_video_path(path)
        elif flag == "--records":
            check_records_path(path)
        elif flag == "--latents":
            check_latents_path(path)
        place = os.path.realpath(path)
        if place in seen:
            raise ConfigError(f"{flag} {path}: the same file as {seen[place]}")
        seen[place] = flag


def _all_outputs(config: RunConfig, streams: Sequence[str]) -> list[tuple[str, Path]]:
    outputs = []
    if config.output:
        outputs += [("--output", output_path(config.output, stream)) for stream in streams]
    for flag, path in (
        ("--records", config.records),
        ("--latents", config.latents),
        ("--json-summary", config.json_summary),
        ("--save-config", config.save_config),
    ):
        if path:
            outputs.append((flag, path))
    return outputs


def _check_not_an_input(flag: str, path: Path, inputs: Sequence[Path]) -> None:
    for source in inputs:
        if same_file(path, source):
            raise ConfigError(f"{flag} {path}: is the input {source}; choose another name")


def _check_writable(flag: str, path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{flag} {path}: is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{flag} {path}: cannot make its folder: {error.strerror or error}"
        ) from error
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        raise OutputError(f"{flag} {path}: not writable; choose another place")
