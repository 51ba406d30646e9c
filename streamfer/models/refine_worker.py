"""The child process that refines on a CPU: `python -m streamfer.models.refine_worker`.

Requests come on standard input and answers go to standard output, as messages of
`streamfer.runtime.array_pipe`. Once loaded, it runs at the lowest priority with one thread, and it
ends when its input does, even in the middle of a refinement.
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
from typing import BinaryIO, NoReturn

import numpy as np

from streamfer.engine import Array
from streamfer.errors import EngineError, StreamferError
from streamfer.runtime.array_pipe import read_arrays, write_arrays

_LOWEST_PRIORITY = 19

Requests = queue.Queue[dict[str, Array]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until its input ends; returns the exit code of a failure."""
    parser = argparse.ArgumentParser(prog="python -m streamfer.models.refine_worker")
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--budget-ms", type=float, required=True)
    options = parser.parse_args(arguments)
    # Ctrl-C goes to every process of the terminal; this one ends with its parent's pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    requests: Requests = queue.Queue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    try:
        _serve(options, requests, answers)
    except StreamferError as error:
        write_arrays(answers, {"failure": np.array(str(error))})
        return error.exit_code


def _receive(stream: BinaryIO, requests: Requests) -> None:
    """Queues requests; ends the process when the parent is gone."""
    while True:
        try:
            request = read_arrays(stream)
        except StreamferError:
            request = None
        if request is None:
            os._exit(0)
        requests.put(request)


def _serve(options: argparse.Namespace, requests: Requests, answers: BinaryIO) -> NoReturn:
    for path in (options.generator, options.classifier):
        if not path.is_file():
            raise EngineError(f"{path.name}: cannot read the weights: no such file")
    # Imported here, so that a parent that ends meanwhile is noticed.
    import torch

    from streamfer.models.inversion import InversionConfig
    from streamfer.models.refinement import load_refiner

    torch.set_num_threads(1)
    config = InversionConfig(steps=options.steps, budget_ms=options.budget_ms)
    refiner = load_refiner(options.generator, options.classifier, config, "cpu")
    # Not before: beside a file at full speed, loading at this priority takes minutes.
    if hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
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


if __name__ == "__main__":
    sys.exit(main())
