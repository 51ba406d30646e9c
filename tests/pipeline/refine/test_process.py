from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from streamfer.errors import EngineError
from streamfer.pipeline.refine.process import ProcessBackend
from tests.support.children import Children

ECHO = """
import sys
import numpy as np
from streamfer.runtime.array_pipe import read_arrays, write_arrays
while (request := read_arrays(sys.stdin.buffer)) is not None:
    kind = int(request["latents"].flat[0])
    if kind == 1:
        sys.exit(9)
    if kind == 2:
        write_arrays(sys.stdout.buffer, {"failure": np.array("out of ideas")})
        sys.exit(5)
    if kind == 3:
        sys.stdin.buffer.read()
    write_arrays(sys.stdout.buffer, {
        "latents": request["latents"] + 1, "reconstructions": request["crops"],
        "errors": np.zeros(1, np.float32), "steps": np.array(5), "seconds": np.array(0.25)})
"""
CROPS = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)


def latents(kind: int) -> np.ndarray:
    return np.full((1, 2, 3), kind, np.float32)


def test_it_answers_and_lives_on() -> None:
    backend = ProcessBackend([sys.executable, "-c", ECHO])
    try:
        backend.start()
        for _ in range(2):
            answer = backend.refine(CROPS, latents(0))
            np.testing.assert_array_equal(answer.latents, latents(1))
            np.testing.assert_array_equal(answer.reconstructions, CROPS)
            assert (answer.steps, answer.seconds) == (5, 0.25)
    finally:
        backend.close()


def test_the_preparation_has_ended_before_the_child_starts(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    prepare = [sys.executable, "-c", f"open({str(prepared)!r}, 'x').close()"]
    child = [sys.executable, "-c", f"open({str(prepared)!r}).close()\n{ECHO}"]
    backend = ProcessBackend(child, prepare)
    try:
        backend.start()
        assert prepared.exists()
        assert backend.refine(CROPS, latents(0)).steps == 5
        with pytest.raises(EngineError, match="exit code 9"):
            backend.refine(CROPS, latents(1))
        assert backend.refine(CROPS, latents(0)).steps == 5
    finally:
        backend.close()


def test_interrupting_ends_a_preparation_under_way() -> None:
    prepare = [sys.executable, "-c", "print(flush=True); import sys; sys.stdin.read()"]
    backend = ProcessBackend([sys.executable, "-c", ECHO], prepare)
    raised: list[EngineError] = []

    def start() -> None:
        try:
            backend.start()
        except EngineError as error:
            raised.append(error)

    children = Children()
    thread = threading.Thread(target=start)
    thread.start()
    while not children.now():
        pass
    backend.interrupt()
    thread.join(60)
    assert not thread.is_alive()
    assert "told to end" in str(raised[0])
    backend.close()


def test_a_child_that_ends_is_replaced() -> None:
    backend = ProcessBackend([sys.executable, "-c", ECHO])
    try:
        with pytest.raises(EngineError, match=r"it ended \(exit code 9\)"):
            backend.refine(CROPS, latents(1))
        assert backend.refine(CROPS, latents(0)).steps == 5
    finally:
        backend.close()


def test_a_child_that_says_why_it_fails_is_replaced() -> None:
    backend = ProcessBackend([sys.executable, "-c", ECHO])
    try:
        with pytest.raises(EngineError, match="out of ideas"):
            backend.refine(CROPS, latents(2))
        assert backend.refine(CROPS, latents(0)).steps == 5
    finally:
        backend.close()


def test_interrupting_ends_a_refinement_under_way() -> None:
    backend = ProcessBackend([sys.executable, "-c", ECHO])
    backend.refine(CROPS, latents(0))
    raised: list[EngineError] = []

    def refine() -> None:
        try:
            backend.refine(CROPS, latents(3))
        except EngineError as error:
            raised.append(error)

    thread = threading.Thread(target=refine)
    thread.start()
    backend.interrupt()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert len(raised) == 1
    with pytest.raises(EngineError, match="told to end"):
        backend.refine(CROPS, latents(0))
    backend.close()
    backend.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_its_parent_s_group_does_not_end_it(number: signal.Signals) -> None:
    backend = ProcessBackend([sys.executable, "-c", ECHO])
    try:
        children = Children()
        backend.start()
        (child,) = children.now()
        child.send_signal(number)  # from the first moment on, before Python has started in it
        assert backend.refine(CROPS, latents(0)).steps == 5
        child.send_signal(number)
        assert backend.refine(CROPS, latents(0)).steps == 5
    finally:
        backend.close()
    assert not child.is_running()


def test_it_ends_when_its_parent_is_killed() -> None:
    script = f"""
from streamfer.pipeline.refine.process import ProcessBackend
import psutil, sys, time
ProcessBackend([sys.executable, "-c", {ECHO!r}]).start()
print(psutil.Process().children()[0].pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(30)


def test_a_missing_program_is_one_error() -> None:
    backend = ProcessBackend(["/nonexistent/program"])
    with pytest.raises(EngineError, match="cannot start"):
        backend.start()
    backend.close()


def test_after_noise_on_the_pipe_another_child_is_started() -> None:
    noise = "import sys\nsys.stdin.buffer.read(1)\nsys.stdout.buffer.write(bytes(range(200)))"
    backend = ProcessBackend([sys.executable, "-c", noise])
    try:
        backend.start()
        said = []
        for _ in range(2):
            with pytest.raises(EngineError, match="refinement process") as raised:
                backend.refine(CROPS, latents(0))
            said.append(str(raised.value))
        assert all("exit code" in each for each in said)
    finally:
        backend.close()
