"""What a run begins with: one that goes on must have begun with the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from streamfer.models.directions import Directions
from streamfer.training.backbones.run import BackboneRun
from streamfer.training.backbones.views import CodeReader
from streamfer.training.runs.run_folder import digests_of


def beginning_of(
    run: BackboneRun, reader: CodeReader, directions: Directions, initial: Path | None
) -> dict[str, str]:
    """SHA-256 (hex) of what a run begins with, by option.

    Args:
        run: at its beginning.
        reader: of latent codes; counts where the run reads them.
        directions: as the reader.
        initial: the published checkpoint; None for random weights.

    Raises:
        EngineError: a file cannot be read.
    """
    began_with = digests_of(initial=initial)
    if run.network.reads_codes:
        scored = directions.vectors.tobytes() + directions.scores.tobytes()
        began_with |= digests_of(encoder=reader.path)
        began_with["directions"] = hashlib.sha256(scored).hexdigest()
    return began_with
