from __future__ import annotations

import pytest

from streamfer.app.session.build import collector_config


@pytest.mark.parametrize(("device", "batch"), [("cpu", 4), ("cuda", 16), ("cuda:1", 16)])
def test_batches_are_small_where_large_ones_only_cost_time(device: str, batch: int) -> None:
    assert collector_config(device).max_batch == batch
