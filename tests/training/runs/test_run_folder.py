"""The folder of a run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.training.runs.run_folder import RunFolder


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_run_that_comes_apart_is_not_written_over_what_it_was(
    tmp_path: Path, loss: float
) -> None:
    folder = RunFolder(tmp_path, {}, torch.zeros(1, 2, 2), resume=False)
    folder.log({"images": 8, "loss": 0.5})
    with pytest.raises(ConfigError, match="come apart"):
        folder.log({"images": 16, "loss": loss})
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1
