from __future__ import annotations

from pathlib import Path

from streamfer.runtime.store.store import EngineStore
from tests.support.models import small_network

MODEL = small_network()


class Bench:
    def __init__(self, root: Path) -> None:
        self.lines: list[str] = []
        self.store = EngineStore(root, self.lines.append)
