from __future__ import annotations

from typing import Literal

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.app.session.build import analyzer_config, collector_config
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine


@pytest.mark.parametrize(("device", "batch"), [("cpu", 4), ("cuda", 16), ("cuda:1", 16)])
def test_batches_are_small_where_large_ones_only_cost_time(device: str, batch: int) -> None:
    assert collector_config(device).max_batch == batch


@pytest.mark.parametrize(("faces", "at_once"), [("shown", False), ("blurred", True)])
def test_covered_faces_wait_for_no_second_look(
    faces: Literal["shown", "blurred"], at_once: bool
) -> None:
    models = Models(FakeDetector(), FakeEngine(lambda inputs: {}))
    config = RunConfig(faces=faces)
    assert analyzer_config(config, models, draw_all=False).faint_at_once is at_once
