from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
import numpy as np
from streamfer.errors import EngineError
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from pathlib import Path
from tests.support.models import small_network

def opened():
    return open_engine(small_network(), backend=sys.argv[1], store=EngineStore(Path(sys.argv[2])))

images = {"images": np.zeros((1, 8, 8, 3), np.uint8)}
early = os.fork() if "early" in sys.argv else 1
if early == 0:  # before anything was opened: it works
    opened().run(images)
    os._exit(0)
engine = opened()
engine.run(images)
if "early" in sys.argv:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(early, 0)[1]))
if child := os.fork():
    engine.run(images)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
said = []
for use in (lambda: engine.run(images), opened):
    try:
        use()
    except EngineError as error:
        said.append("spawn" in str(error))
os._exit(0 if said == [True, True] else 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_fork_works_or_says_why_not(backend: str, when: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, backend, str(tmp_path), when]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
