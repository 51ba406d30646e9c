"""Rules that hold for every test."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """Fails a test that leaves a thread of its own running."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
    left = [t for t in set(threading.enumerate()) - before if t.is_alive()]
    assert not left, f"threads left running: {left}"


@pytest.fixture(autouse=True)
def logger_as_it_was() -> Iterator[None]:
    """Takes back what a command run within a test sets on the package's logger."""
    logger = logging.getLogger("streamfer")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def priority_as_it_was() -> Iterator[None]:
    """Fails a test that leaves its thread with another priority, which later ones would inherit."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getscheduler(0)
    yield
    after = os.sched_getscheduler(0)
    if after != before:
        os.sched_setscheduler(0, before, os.sched_param(0))
    assert after == before


@pytest.fixture(scope="session")
def small_structures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the ONNX structures that refining the networks of `save_latent_networks` takes,
    made once for all workers: torch needs twenty seconds for them."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "small-structures"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            from tests.support.latent import save_structures  # loads torch

            made = tmp_path_factory.mktemp("structures")
            save_structures(made)
            made.rename(folder)
    return folder
