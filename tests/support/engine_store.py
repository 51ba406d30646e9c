from __future__ import annotations

from pathlib import Path

from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore

KEY = EngineKey(
    model="net",
    model_sha256="a" * 64,
    backend="openvino",
    version="2026.4",
    device="cpu",
    precision="fp32",
    shapes="",
    recipe=1,
)


class Bench:
    """A store, the lines that it told, and how often it built."""

    def __init__(self, root: Path) -> None:
        self.lines: list[str] = []
        self.builds = 0
        self.store = EngineStore(root, self.lines.append)

    def open(self, key: EngineKey = KEY, content: bytes = b"engine") -> bytes:
        def build() -> bytes:
            self.builds += 1
            return content

        return self.store.open(key, build, lambda payload: payload)


def damage_description(folder: Path) -> None:
    (folder / "engine.json").write_text("{not json")
