from io import StringIO
from pathlib import Path

import torch
from rich.console import Console

from streamfer.training.runs.run_state import load_checkpoint
from streamfer.training.vgg.classifier_run import ClassifierConfig

TINY = ClassifierConfig(
    width=0.125, epochs=2, batch_size=14, sizes=(16, 24), workers=0, learning_rate=0.02
)


class StopsAfter(Console):
    """A console that ends the run once it has shown a line, as Ctrl-C does."""

    def __init__(self, start: str) -> None:
        super().__init__(file=StringIO(), width=200)
        self._start = start

    def print(self, *objects: object, **settings: object) -> None:  # type: ignore[override]
        if objects and str(objects[0]).startswith(self._start):
            raise KeyboardInterrupt


def weights_of(run: Path) -> torch.Tensor:
    average = load_checkpoint(run / "last.pt")["average"]
    return torch.cat([value.flatten().float() for value in average.values()])
