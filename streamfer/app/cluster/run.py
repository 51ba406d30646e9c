"""`streamfer run --cluster`: from a configuration to an exit code."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

from rich.console import Console

from streamfer.app.address import parse_cluster
from streamfer.app.cluster.camera_run import CameraRun
from streamfer.app.cluster.figures import ClusterFigures
from streamfer.app.cluster.file_run import FileRun
from streamfer.app.cluster.fingerprint import Fingerprint, fingerprint
from streamfer.app.cluster.folder import ATTEMPTS, JobFolder, done_files
from streamfer.app.cluster.plan import ClusterPlan, cluster_plan
from streamfer.app.cluster.probe import ask
from streamfer.app.cluster.queue import FileQueue, Unit
from streamfer.app.cluster.summary import cluster_summary
from streamfer.app.cluster.view import print_conclusion
from streamfer.app.cluster.views import ClusterViews
from streamfer.app.config import RunConfig
from streamfer.app.config_file import to_text
from streamfer.app.session.outputs import write_text
from streamfer.app.session.signals import StopSignals
from streamfer.app.session.summary import RunEnd, write_summary
from streamfer.app.terminal.logs import complain, configure_logging
from streamfer.errors import ConfigError, SourceError, StreamferError

_INTERRUPTED = 130
_CPUS = 4
"""Of a worker, where nothing else is said."""
_GPU_SHARE = 0.25
_PATIENCE_S = 20.0
"""For workers that complete what they recorded of cameras."""


def run_on_cluster(config: RunConfig) -> int:
    """Runs the program on a cluster.

    Args:
        config: of the run, with `cluster`.

    Returns:
        The exit code.

    Raises:
        StreamferError: it could not start, no worker can be had, or the folder cannot be written.
        ModuleNotFoundError: Ray is not installed.
    """
    console = Console(quiet=config.quiet)
    # Where both are the terminal, the log must know of the live view to stay above it.
    shared = console.is_terminal and sys.stderr.isatty() and not config.quiet
    configure_logging(config.log_level, console if shared else Console(stderr=True))
    plan = cluster_plan(config)
    if find_spec("ray") is None:  # not imported yet: its settings come first
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
    found = fingerprint(config)
    with ExitStack() as stack:
        folder = stack.enter_context(JobFolder(plan.folder, plan.target, plan.claims))
        signals = stack.enter_context(StopSignals())
        if config.save_config:
            text = to_text(config, config.save_config)
            write_text(plan.claims.replace(config.save_config), text)
        run = _run_cameras if plan.live else _run_files
        return run(plan, folder, found, signals, console)


def _run_files(
    plan: ClusterPlan,
    folder: JobFolder,
    found: Fingerprint,
    signals: StopSignals,
    console: Console,
) -> int:
    units = plan.units
    folder.begin(plan.identity(found), len(units))
    known = {unit.id for unit in units}
    before = [done for done in done_files(folder.path) if done.unit in known and done.stands]
    over = {done.unit for done in before}
    left = [unit for unit in units if unit.id not in over]
    if not left:
        console.print("nothing to do: every output is complete")
        return 0
    if before:
        console.print(f"{len(before)} of {len(units)} files are done already", highlight=False)
    with ExitStack() as stack:
        workers, wanted = _open_workers(stack, plan, folder, found)
        # The second file fills the first one's pauses; each has a refiner, which is large.
        in_hand = 1 if plan.config.refine else 2
        queue = FileQueue(left)
        run = FileRun(queue, workers, folder, wanted, time.monotonic, len(before), in_hand)
        try:
            complete = _follow(run, plan, folder, signals, console)
        except StreamferError:
            _write_summary(plan, folder, run.figures(), "failed", left, run.notes)
            raise
    outcome: RunEnd = "interrupted" if not complete else "done"
    _write_summary(plan, folder, run.figures(), outcome, left, run.notes)
    return _conclude(run.figures(), outcome, run.notes, console)


def _run_cameras(
    plan: ClusterPlan,
    folder: JobFolder,
    found: Fingerprint,
    signals: StopSignals,
    console: Console,
) -> int:
    with ExitStack() as stack:
        workers, places = _open_workers(stack, plan, folder, found)
        wanted = places
        if parse_cluster(plan.config.cluster or "").nodes is None:
            wanted = min(places, -(-len(plan.specs) // plan.config.streams_per_worker))
        run = CameraRun(plan.specs, workers, wanted, time.monotonic)
        try:
            complete = _follow(run, plan, folder, signals, console)
        except StreamferError:
            _write_summary(plan, folder, run.figures(), "failed", [], [])
            raise
        figures = run.figures()
    outcome: RunEnd = "interrupted" if not complete else "done"
    _write_summary(plan, folder, figures, outcome, [], [])
    return _conclude(figures, outcome, [], console)


def _follow(
    run: FileRun | CameraRun,
    plan: ClusterPlan,
    folder: JobFolder,
    signals: StopSignals,
    console: Console,
) -> bool:
    """Runs to the end and shows how it goes; whether it came to the end."""
    with ClusterViews(plan.config, folder, run.figures, console) as views:

        def tick() -> None:
            if signals.count:
                run.stop()
            views.refresh()

        return run.run(tick)


def _open_workers(
    stack: ExitStack, plan: ClusterPlan, folder: JobFolder, found: Fingerprint
) -> tuple[Any, int]:
    """Connects to the cluster.

    Returns:
        The workers, none of them started, and how many there may be.

    Raises:
        ConfigError: there is no such cluster, or no machine in it is large enough.
    """
    from streamfer.app.cluster.ray_cluster import cluster_nodes, open_cluster, places
    from streamfer.app.cluster.worker import WorkerSetup

    config = plan.config
    assert config.cluster is not None
    address = parse_cluster(config.cluster)
    cpus = config.cpus_per_worker or _CPUS
    if address.nodes is not None and config.cpus_per_worker is None:
        cpus = max(1, (os.cpu_count() or 1) // address.nodes)
    stack.enter_context(open_cluster(address, cpus, 1 if config.gpu_share else 0))
    from streamfer.app.cluster.ray_workers import Place, RayWorkers  # Ray, now that it is set up

    nodes = cluster_nodes()
    gpus = config.gpu_share
    if gpus is None:
        has_gpus = config.device != "cpu" and any(node.gpus for node in nodes)
        gpus = _GPU_SHARE if has_gpus else 0.0
    wanted = address.nodes or places(nodes, cpus, gpus)
    if not wanted:
        raise ConfigError(
            f"--cluster {config.cluster}: none of its {len(nodes)} machines has {cpus} CPUs"
            + (f" and {gpus} of a GPU" if gpus else "")
            + "; see --cpus-per-worker and --gpu-share"
        )
    told = dataclasses.replace(plan.worker_config, threads=config.threads or cpus)
    probe = ask(folder.path.absolute() / ATTEMPTS)
    setup = WorkerSetup(told, plan.working_folder, found, probe)
    workers = RayWorkers(setup, Place(cpus, gpus))
    stack.callback(workers.close, _PATIENCE_S if plan.live else 0.0)
    return workers, wanted


def _write_summary(
    plan: ClusterPlan,
    folder: JobFolder,
    figures: ClusterFigures,
    outcome: RunEnd,
    units: Sequence[Unit],
    notes: Sequence[str],
) -> None:
    """Writes the summary, if it is asked for."""
    if plan.config.json_summary is None:
        return
    wanted = {unit.id for unit in units}
    done = [file for file in done_files(folder.path) if file.unit in wanted]
    ended: RunEnd = "failed" if outcome == "done" and figures.failed else outcome
    summary = cluster_summary(figures, ended, done, notes)
    write_summary(plan.claims.replace(plan.config.json_summary), summary)


def _conclude(
    figures: ClusterFigures, outcome: RunEnd, notes: Sequence[str], console: Console
) -> int:
    """Says what came of it; the exit code."""
    print_conclusion(figures, console)
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    if outcome == "interrupted":
        return _INTERRUPTED
    for stream, reason in figures.failed.items():
        complain(f"{stream}: {reason}")
    return SourceError.exit_code if figures.failed else 0
