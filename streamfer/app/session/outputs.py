"""Where a run writes: paths per stream, checked before anything is opened."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import ClaimedPath, Companions, OutputClaims, no_companions
from streamfer.media.files.output_file import write_whole
from streamfer.media.files.output_path import check_latents_path, latents_companions
from streamfer.media.records.writer import check_records_path, record_companions
from streamfer.media.redact import redact_text, redact_url
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from streamfer.media.subtitles.wording import parse_names
from streamfer.media.subtitles.writer import check_subtitles_path
from streamfer.media.video.encoder import VideoConfig, check_encoder
from streamfer.media.video.encoder_choice import best_encoder
from streamfer.media.video.network import (
    check_network_address,
    network_address,
)
from streamfer.media.video.network_connection import NetworkAddress
from streamfer.media.video.picture_file import (
    check_picture_path,
    is_picture_path,
    is_still,
    picture_kind,
)
from streamfer.media.video.writer import check_video_path

STREAM_FIELD = "{stream}"
KIND_FIELD = "{kind}"
_VIDEO_KIND = "mp4"


def write_text(path: ClaimedPath, text: str) -> None:
    """Writes a small text file, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        line = text.splitlines()[text.count("\n", 0, error.start)]
        raise OutputError(
            f"{path}: cannot write: a name in it is not UTF-8: {redact_text(line)!a}"
        ) from error


def output_path(template: Path, stream: str) -> Path:
    """The path of one stream's output: `out/{stream}.mp4` → `out/talk.mp4`."""
    return Path(str(template).replace(STREAM_FIELD, stream))


def annotated_path(config: RunConfig, spec: SourceSpec) -> Path | None:
    """Where the annotated video, or the annotated picture, of one stream goes.

    `out/{stream}.{kind}` takes what fits the source: pictures for pictures, `mp4` for the rest.
    None where none is asked for.
    """
    if config.output is None:
        return None
    path = output_path(config.output, spec.name)
    if KIND_FIELD not in str(path):
        return path
    kind = picture_kind(spec.path) if _is_still(config, spec) else _VIDEO_KIND
    return Path(str(path).replace(KIND_FIELD, kind))


def _is_still(config: RunConfig, spec: SourceSpec) -> bool | None:
    """Whether a stream is one picture; None where that cannot be told before its turn."""
    if spec.kind is not SourceKind.FILE or config.loop > 1:
        return False
    return is_still(spec.path)


def network_output(template: Path, stream: str) -> NetworkAddress | None:
    """Where one stream's video is sent; None where it goes into a file."""
    return network_address(str(output_path(template, stream)))


def claim_outputs(config: RunConfig, specs: Sequence[SourceSpec]) -> OutputClaims:
    """Claims what a run will write, and refuses what cannot be written; see `check_outputs`.

    Raises:
        ConfigError: as `check_outputs`, or the encoder does not exist or refuses its settings.
        OutputError: as `check_outputs`.
    """
    inputs = [path for spec in specs for path in _files_read(spec)]
    if config.tls_ca is not None:
        inputs.append(config.tls_ca)
    claims = check_outputs(config, specs, inputs)
    _check_captions(config)
    if config.output is not None:
        address = network_output(config.output, "x")
        suffix = config.output.suffix if address is None else None
        check_encoder(video_config(config), suffix)
        if address is not None:
            check_network_address(address)
    return claims


def refuse_further_stream(config: RunConfig) -> None:
    """Makes sure that a running run's outputs have a place for one more stream.

    Raises:
        ConfigError: one of them holds a single stream.
    """
    for flag, template in _one_each(config):
        if STREAM_FIELD not in str(template):
            raise ConfigError(
                f"{flag} {redact_url(str(template))}: holds one stream; put {STREAM_FIELD} into"
                " the name to add more"
            )


def claim_added_stream(claims: OutputClaims, config: RunConfig, spec: SourceSpec) -> None:
    """Claims what a running run will write for one more stream.

    Raises:
        ConfigError: an output is an input or another output.
        OutputError: a folder is missing or cannot be written to.
    """
    claims.add_inputs(_files_read(spec))
    for named in _all_outputs(config, [spec]):
        if STREAM_FIELD in str(_template(config, named.flag)):
            _claim(claims, named)


def check_outputs(
    config: RunConfig, specs: Sequence[SourceSpec], inputs: Sequence[Path]
) -> OutputClaims:
    """Refuses outputs that cannot be, before any source or output is opened.

    Args:
        config: names the outputs.
        specs: all streams.
        inputs: files that will be read.

    Returns:
        What the run may write.

    Raises:
        ConfigError: two streams share one video or subtitles, an output is an input or another
            output, or a picture is asked for of what is none.
        OutputError: a folder is missing or cannot be written to.
    """
    for flag, template in _one_each(config):
        if len(specs) > 1 and STREAM_FIELD not in str(template):
            raise ConfigError(
                f"{flag} {redact_url(str(template))}: {len(specs)} streams would overwrite"
                f" each other; put {STREAM_FIELD} into the name"
            )
    if config.latents and STREAM_FIELD in str(config.latents):
        raise ConfigError(f"--latents {config.latents}: all streams share one file of latents")
    claims = OutputClaims(inputs, segmented=config.segment is not None)
    for named in _all_outputs(config, specs):
        _claim(claims, named)
    return claims


def _claim(claims: OutputClaims, named: _Named) -> None:
    claims.name(named.flag, named.path, named.companions)
    _check_writable(named.flag, named.path)
    named.check(named.path)


def _template(config: RunConfig, flag: str) -> Path | None:
    return {**dict(_one_each(config)), "--records": config.records}.get(flag)


def _one_each(config: RunConfig) -> list[tuple[str, Path]]:
    """Outputs that streams cannot share."""
    named = (("--output", config.output), ("--subtitles", config.subtitles))
    return [(flag, path) for flag, path in named if path is not None]


def _check_captions(config: RunConfig) -> None:
    parse_names(config.speaker, "--speaker", "")
    if config.subtitles is None and not config.embed_subtitles and config.speaker:
        raise ConfigError("--speaker: is of --subtitles, which are not asked for")
    output = config.output
    if config.embed_subtitles and (
        output is None or network_output(output, "x") is not None or is_picture_path(output)
    ):
        raise ConfigError("--embed-subtitles: goes into the video of --output, which is not named")


@dataclass(frozen=True, slots=True)
class _Named:
    """An output that the user has named."""

    flag: str
    path: Path
    check: Callable[[Path], None] = lambda path: None
    """Refuses what its name makes impossible."""
    companions: Companions = no_companions


def _all_outputs(config: RunConfig, specs: Sequence[SourceSpec]) -> list[_Named]:
    outputs = []
    if config.output and network_output(config.output, "x") is None:
        outputs += [_annotated(config, spec) for spec in specs]
    if config.records:
        own = STREAM_FIELD in str(config.records)
        paths = [output_path(config.records, s.name) for s in specs] if own else [config.records]
        outputs += [
            _Named("--records", path, check_records_path, record_companions) for path in paths
        ]
    if config.subtitles:
        paths = [output_path(config.subtitles, spec.name) for spec in specs]
        outputs += [_Named("--subtitles", path, check_subtitles_path) for path in paths]
    if config.latents:
        outputs.append(_Named("--latents", config.latents, check_latents_path, latents_companions))
    if config.json_summary:
        outputs.append(_Named("--json-summary", config.json_summary))
    if config.save_config:
        outputs.append(_Named("--save-config", config.save_config))
    return outputs


def _annotated(config: RunConfig, spec: SourceSpec) -> _Named:
    path = annotated_path(config, spec)
    assert path is not None
    if not is_picture_path(path):
        return _Named("--output", path, check_video_path)
    if _is_still(config, spec) is False:
        shown = path.with_suffix(f".{KIND_FIELD}")
        raise ConfigError(
            f"--output {path}: {spec} is not one picture; name a video, or {shown} for what fits"
            " each source"
        )
    return _Named("--output", path, check_picture_path)


def _files_read(spec: SourceSpec) -> list[Path]:
    """The files that a source reads, those among them that a filter graph names."""
    if spec.kind is SourceKind.FILE:
        return [spec.path]
    if spec.kind is SourceKind.FILTER:
        words = re.split(r"[=:,;'\[\]|]", spec.location)
        return [Path(word) for word in words if word.strip() and os.path.isfile(word)]
    return []


def _check_writable(flag: str, path: Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ConfigError(f"{flag} {path}: the name is too long") from error
    if os.path.isdir(path):
        raise OutputError(f"{flag} {path}: is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{flag} {path}: cannot make its folder: {error.strerror or error}"
        ) from error
    target = path if os.path.exists(path) else path.parent
    if not os.access(target, os.W_OK):
        raise OutputError(f"{flag} {path}: not writable; choose another place")


def video_config(config: RunConfig) -> VideoConfig:
    """How annotated video is encoded; `auto` is what the hardware here offers, if anything."""
    encoder = best_encoder() if config.encoder == "auto" else config.encoder
    return VideoConfig(encoder, config.preset, config.crf)
