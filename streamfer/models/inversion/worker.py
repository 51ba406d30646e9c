"""The child process that refines on a CPU: `python -m streamfer.models.inversion.worker`.

Requests come on standard input and answers go to standard output, as messages of
`streamfer.runtime.array_pipe`. Once loaded, it runs with one thread in the time that nobody else
wants, and it ends when its input does, even in the middle of a refinement.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from streamfer.engine import Array
from streamfer.errors import StreamferError
from streamfer.runtime.array_pipe import read_arrays, write_arrays
from streamfer.types import FloatArray, Refinement, UInt8Array

_LOWEST_PRIORITY = 19

Requests = queue.Queue[dict[str, Array]]


class _Refines(Protocol):
    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until its input ends; returns the exit code of a failure."""
    parser = argparse.ArgumentParser(prog="python -m streamfer.models.inversion.worker")
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--backend", required=True, help="auto, openvino, onnxruntime or torch")
    parser.add_argument("--precision", required=True, help="of a step: auto or fp32")
    parser.add_argument("--engines", type=Path, required=True, help="folder of compiled engines")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--budget-ms", type=float, required=True)
    parser.add_argument("--prepare", action="store_true", help="only make the engines, and end")
    options = parser.parse_args(arguments)
    # Ctrl-C, a closed terminal and a service manager's stop reach every process; this one ends with
    # its parent's pipe. (Parents on POSIX hold them back from the start.)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    requests: Requests = queue.Queue()
    source = sys.stdin.fileno()
    threading.Thread(target=_receive, args=(source, requests), daemon=True).start()
    try:
        _serve(options, requests, answers)
    except StreamferError as error:
        write_arrays(answers, {"failure": np.array(str(error))})
        return error.exit_code
    return 0


def _receive(source: int, requests: Requests) -> None:
    """Queues requests; ends the process when the parent is gone."""
    # Unbuffered: a buffer that a thread waits in cannot be closed when Python ends.
    with open(source, "rb", buffering=0, closefd=False) as stream:
        while True:
            try:
                request = read_arrays(stream)
            except StreamferError:
                request = None
            if request is None:
                os._exit(0)
            requests.put(request)


def _serve(options: argparse.Namespace, requests: Requests, answers: BinaryIO) -> None:
    refiner = _load(options)
    if options.prepare:
        return
    # Not before: beside a file at full speed, loading in idle time takes minutes.
    _yield_to_everybody()
    while True:
        request = requests.get()
        refinement = refiner.refine(request["crops"], request["latents"])
        write_arrays(
            answers,
            {
                "latents": refinement.latents,
                "reconstructions": refinement.reconstructions,
                "errors": refinement.errors,
                "steps": np.array(refinement.steps),
                "seconds": np.array(refinement.seconds),
            },
        )


def _load(options: argparse.Namespace) -> _Refines:
    """Imports here, so that a parent that ends meanwhile is noticed."""
    from streamfer.models.inversion.curvature import curvature_of
    from streamfer.models.inversion.descent import search_of_a_run

    known = curvature_of(options.generator, options.classifier)
    config = search_of_a_run(options.steps, options.budget_ms, known)
    if options.backend == "torch":
        import torch

        from streamfer.models.inversion.refinement import load_refiner

        torch.set_num_threads(1)
        return load_refiner(options.generator, options.classifier, config, "cpu")
    from streamfer.models.inversion.engine_inversion import EngineRefiner, EngineSearch
    from streamfer.models.inversion.engines import open_refine_engines
    from streamfer.runtime.store.store import EngineStore

    engines = open_refine_engines(
        options.generator,
        options.classifier,
        options.backend,
        EngineStore(options.engines),
        precision=options.precision,
    )
    return EngineRefiner(EngineSearch(engines.target, engines.step, config))


def _yield_to_everybody() -> None:
    """On Linux it runs only where a core would be idle, and is put aside at once for who wants it;
    elsewhere at the lowest priority."""
    if hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
