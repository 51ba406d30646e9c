"""How a run ended, what it wrote, and what there is to say of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.app.session.parts import RunParts
from streamfer.app.session.summary import RunEnd, run_outcome, summarise, write_summary
from streamfer.errors import OutputError, StreamferError
from streamfer.pipeline.config import RunOutcome
from streamfer.pipeline.stats.snapshots import RunSnapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How a run ended."""

    ended: RunEnd
    """`interrupted` where somebody ended it; `failed` where a stage, a source or an output did."""
    failures: tuple[tuple[str, StreamferError], ...]
    """(stream or output, error) of sources, then outputs, that failed while the others went on."""
    snapshot: RunSnapshot
    """The figures at its end."""
    files: tuple[Path, ...]
    """What it wrote; of an output with very many files the last."""
    notes: tuple[str, ...]
    """What else there is to say, such as transcoded audio."""

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it."""
        return self.ended == "interrupted"


def conclude(
    config: RunConfig,
    parts: RunParts,
    ended: RunOutcome,
    failure: StreamferError | None,
) -> Outcome:
    """Takes stock, also of a run that has failed, and writes the summary.

    Args:
        config: of the run.
        parts: what its streams shared, closed by now.
        ended: how its pipeline ended.
        failure: what ended it before its time.

    Raises:
        OutputError: the summary cannot be written, and nothing else has failed.
    """
    if parts.refiner is not None and parts.refiner.given_up is not None:
        parts.notes.append(f"refinement was given up: {parts.refiner.given_up}")
    if parts.clips.count:
        parts.notes.append(f"wrote {parts.clips.count} clips to {config.clips}")
    failed_outputs = list(ended.output_failures)
    if isinstance(failure, OutputError):  # found while the last output was completed
        failed_outputs.append((_failed_output(parts, failure), failure))
    written = parts.written(except_for={name for name, _ in failed_outputs})
    outcome = Outcome(
        run_outcome(ended, failure is not None),
        (*ended.source_failures, *ended.output_failures),
        parts.statistics.snapshot(),
        tuple(written),
        tuple(parts.notes),
    )
    end = outcome.snapshot
    log.info("%s: %d frames, %d dropped", outcome.ended, end.frames, end.dropped)
    if config.json_summary:
        summary = summarise(outcome.snapshot, outcome.notes, outcome.ended, failed_outputs)
        try:
            write_summary(parts.claims.replace(config.json_summary), summary)
        except OutputError as error:
            if failure is None:
                raise
            log.warning("%s", error)
    return outcome


def _failed_output(parts: RunParts, failure: OutputError) -> str:
    """The name of the shared output that could not be completed."""
    shared = [writer.name for writer in (parts.records, parts.latents) if writer is not None]
    return next((name for name in shared if str(failure).startswith(name)), "")
