"""The refiner's backend on a CPU: a child process.

Autograd holds the interpreter's lock and fights for the cores; in a process of its own, at low
priority and with one thread, it cannot slow the frame path.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from streamfer.errors import EngineError
from streamfer.runtime.array_pipe import read_arrays, write_arrays
from streamfer.types import FloatArray, Refinement, UInt8Array

_EXIT_TIMEOUT_S = 5.0
"""A child that has been told to end and does not within this time is killed."""


class ProcessBackend:
    """Refines in a child process that is started again after it failed.

    The child reads requests (`crops`, `latents`) from its standard input and answers on its
    standard output (`latents`, `reconstructions`, `errors`, `steps`, `seconds`, or `failure`), as
    messages of `streamfer.runtime.array_pipe`. It must end when its input ends, so it cannot
    outlive this process. What asks this process to end, and is sent to its children as well by a
    terminal or a service manager, does not reach the child: this process ends it.

    Args:
        command: program and arguments of the child.
        preparation: program and arguments of a process that runs before the first child, and takes
            with it the memory that it needs; empty for none. What it cannot do the child will try.
    """

    def __init__(self, command: Sequence[str], preparation: Sequence[str] = ()) -> None:
        self._command = list(command)
        self._preparation = list(preparation)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._interrupted = False

    def start(self) -> None:
        """Prepares what the child needs and starts it; it loads while others go on.

        Raises:
            EngineError: it cannot be started.
        """
        if self._preparation:
            self._running_child(self._preparation).wait()
            self._end()
        self._running_child(self._command)

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        """Sends one batch and waits for the answer.

        Raises:
            EngineError: the child failed or ended; the next call starts another.
        """
        child = self._running_child(self._command)
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            write_arrays(child.stdin, {"crops": crops, "latents": latents})
            answer = read_arrays(child.stdout)
        except (OSError, ValueError, EngineError) as error:
            answer, reason = None, str(error)
        else:
            reason = "it ended"
        if answer is None:
            raise EngineError(f"refinement process: {reason} (exit code {self._end()})")
        if "failure" in answer:
            self._end()
            raise EngineError(f"refinement process: {answer['failure']}")
        return Refinement(
            latents=answer["latents"],
            reconstructions=answer["reconstructions"],
            errors=answer["errors"],
            steps=int(answer["steps"]),
            seconds=float(answer["seconds"]),
        )

    def interrupt(self) -> None:
        """Ends the child, so that `refine` raises, now and in future."""
        with self._lock:
            self._interrupted = True
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """Ends the child and waits for it; closing twice is fine."""
        self.interrupt()
        self._end()

    def _running_child(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._interrupted:
                raise EngineError("refinement process: told to end")
            if self._child is None:
                self._child = _start(command)
            return self._child

    def _end(self) -> int | None:
        """Ends the child, if there is one, and returns its exit code."""
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return None
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            return child.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # Before the first import: libraries size their thread pools when they load.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # The packages that this process uses, wherever they are.
    modules = os.pathsep.join(path for path in sys.path if path)
    try:
        with _stop_signals_held():
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **threads, "PYTHONPATH": modules},
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"refinement process: cannot start: {reason}") from error


@contextlib.contextmanager
def _stop_signals_held() -> Iterator[None]:
    """Holds back what asks a process to end; a child started meanwhile holds it back for good."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows a group of its own does
        yield
        return
    stop = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
