from pathlib import Path

import pytest
import torch
from torch import nn

from streamfer.errors import ConfigError, OutputError
from streamfer.training.runs.run_state import (
    AveragedModel,
    MetricsFile,
    load_checkpoint,
    save_checkpoint,
)


def test_the_average_follows_quickly_at_first() -> None:
    model = nn.Linear(1, 1)
    average = AveragedModel(model, decay=0.999)
    before = average.model.weight.item()
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update(model)
    assert average.model.weight.item() == pytest.approx(before + 1 - 2 / 11)
    assert not average.model.weight.requires_grad


def test_the_average_takes_statistics_along() -> None:
    model = nn.BatchNorm2d(2)
    average = AveragedModel(model, decay=0.0)
    model(torch.randn(4, 2, 3, 3) + 5)
    average.update(model)
    assert torch.allclose(average.model.running_mean, model.running_mean)
    assert average.model.num_batches_tracked == 1


def test_checkpoints_survive_and_leave_no_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 3, "weights": torch.arange(3)})
    state = load_checkpoint(path)
    assert state["epoch"] == 3
    assert torch.equal(state["weights"], torch.arange(3))
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"epoch": Path}, path)  # a class: unpickling it would import
    with pytest.raises(ConfigError, match="cannot resume") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_a_broken_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "last.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"last\.pt: cannot resume"):
        load_checkpoint(path)


def test_an_unwritable_checkpoint_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "last.pt").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(tmp_path / "last.pt", {})


def test_a_resumed_metrics_file_forgets_the_epochs_that_are_done_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path, keep=0)
    for epoch in range(3):
        first.append({"epoch": epoch})
    resumed = MetricsFile(path, keep=2)
    resumed.append({"epoch": 9})
    assert [row["epoch"] for row in resumed.rows] == [0, 1, 9]
    assert MetricsFile(path, keep=5).rows == resumed.rows
