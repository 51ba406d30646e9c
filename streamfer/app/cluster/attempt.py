"""One attempt at a file: where it writes, whether that is whole, what it has left."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from streamfer.app.cluster.reports import PER_STREAM, Attempt, WrittenFile
from streamfer.app.config import RunConfig
from streamfer.app.session.outcome import Outcome
from streamfer.app.session.resume import resume
from streamfer.errors import OutputError, SourceError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec


def attempt_config(config: RunConfig, attempt: Attempt) -> RunConfig:
    """A run's configuration with the outputs of one attempt.

    Args:
        config: of the whole run.
        attempt: its folder gets a sub-folder for each kind of output.

    Raises:
        OSError: a folder cannot be made.
    """
    changes: dict[str, Path] = {}
    for name in PER_STREAM:
        template: Path | None = getattr(config, name)
        if template is not None:
            changes[name] = attempt.folder / name / template.name
    if config.snapshot_every is not None:
        changes["snapshot_dir"] = attempt.folder / "snapshots"
    if config.clips is not None:
        changes["clips"] = attempt.folder / "clips"
    for name, path in changes.items():
        folder = path.parent if name in PER_STREAM else path
        folder.mkdir()
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def demand_whole(config: RunConfig, spec: SourceSpec, outcome: Outcome) -> None:
    """Makes sure that an attempt's outputs hold all of its input.

    Raises:
        StreamferError: what failed.
        OutputError: an output is not complete.
    """
    for _, error in outcome.failures:
        raise error
    if outcome.interrupted:
        raise SourceError(f"{spec}: the attempt was interrupted")
    parts = (config.start, config.duration, config.max_frames, config.loop) != (0.0, None, None, 1)
    if spec.kind is not SourceKind.FILE or parts or config.segment is not None:
        return
    if resume(dataclasses.replace(config, skip_existing=True), [spec]).specs:
        raise OutputError(f"{spec}: the outputs do not hold all of its frames")


def written(folder: Path) -> list[WrittenFile]:
    """Everything that an attempt has left.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        output, *parts = path.relative_to(folder).parts
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        found.append(WrittenFile(output, "/".join(parts), path.stat().st_size, sha256))
    return found
