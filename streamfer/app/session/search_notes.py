"""Says where faces may be smaller than what is searched for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamfer.app.config import RunConfig
from streamfer.types import StreamInfo
from streamfer.vision.detection.search_plan import SURE_PX, plan_search


def search_notes(config: RunConfig, streams: Sequence[StreamInfo]) -> list[str]:
    """One line for each stream in which `--detect-size` is too small for the smallest faces.

    Args:
        config: of the run.
        streams: those whose size is not known yet are left out.
    """
    if config.detect_size == "auto":
        return []
    notes = []
    for info in streams:
        if info.width is None or info.height is None:
            continue
        scale = plan_search(info.width, info.height, config.detection_side).base.scale
        smallest_px = math.ceil(SURE_PX / scale)
        if scale < 1 and smallest_px > config.min_face:
            notes.append(
                f"{info.stream}: faces below {smallest_px} px may be missed at --detect-size"
                f" {config.detect_size}; auto looks for smaller ones too"
            )
    return notes
