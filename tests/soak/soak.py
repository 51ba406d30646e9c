"""`make soak MINUTES=…`: the program against mixed sources that keep going wrong.

The program runs as users run it, in a process of its own. What it says of itself comes from
`--metrics`; what it leaves is checked at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.soak.faults import Fault, Scene, faults_at_random, set_scene
from tests.soak.monitor import Reading, read
from tests.soak.report import Soak
from tests.support.rtsp_server import free_port

_START_LIMIT_S = 120.0
"""For the first start, which builds engines."""


def soak(minutes: float, *, every_s: float = 8.0, warm_up_s: float = 120.0, seed: int = 0) -> Soak:
    """Runs it.

    Args:
        minutes: in all, warm-up included.
        every_s: average time between two faults.
        warm_up_s: left out of the measurement.
        seed: of the faults.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scene = set_scene(stack, folder)
        port = free_port()
        process = _start(scene, folder, port)
        stack.callback(_kill, process)
        url = f"http://127.0.0.1:{port}/metrics"
        watched = psutil.Process(process.pid)
        _wait_for_start(process, watched, url)
        readings, faults = _torment(scene, watched, url, minutes * 60, every_s, seed)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        warm = [reading for reading in readings if reading.at_s >= warm_up_s]
        problems = list(_problems(folder / "records.jsonl", err))
    return Soak(warm, faults, process.returncode, problems)


def _start(scene: Scene, folder: Path, port: int) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "streamfer", "run", *scene.arguments,
        "--realtime", "--loop", "1000000", "--no-display", "--quiet", "--metrics", str(port),
        "--records", str(folder / "records.jsonl"), "--output", str(folder / "seen_{stream}.mp4"),
    ]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()


def _wait_for_start(process: subprocess.Popen[str], watched: psutil.Process, url: str) -> None:
    end_s = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < end_s:
        try:
            if any(
                n for (name, _), n in read(watched, url, 0.0).counters.items() if "anal" in name
            ):
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    process.kill()
    _, err = process.communicate()
    raise RuntimeError(f"the program analysed nothing: exit code {process.returncode}, {err}")


def _torment(
    scene: Scene, watched: psutil.Process, url: str, seconds: float, every_s: float, seed: int
) -> tuple[list[Reading], list[tuple[float, str, str]]]:
    began_s = time.monotonic()
    coming = faults_at_random(scene.faults, random.Random(seed), every_s)
    next_s, fault, lasts_s = next(coming)
    ending: list[tuple[float, Fault]] = []
    readings: list[Reading] = []
    happened: list[tuple[float, str, str]] = []
    for second in itertools.count():
        time.sleep(max(began_s + second - time.monotonic(), 0.0))
        if second >= seconds:
            break
        if second % 2 == 0:
            readings.append(read(watched, url, float(second)))
        while next_s <= second:
            fault.begin()
            happened.append((next_s, fault.source, fault.name))
            ending.append((next_s + lasts_s, fault))
            next_s, fault, lasts_s = next(coming)
        for due in [due for due in ending if due[0] <= second]:
            ending.remove(due)
            due[1].end()
    for _, fault in ending:
        fault.end()
    return readings, happened


def _problems(records: Path, err: str) -> Iterator[str]:
    """What the run left that should not be there."""
    if "Traceback" in err or "bug in streamfer" in err:
        yield f"it failed: {err[-2000:]}"
    last: dict[str, tuple[int, float]] = defaultdict(lambda: (-1, -1.0))
    with records.open() as lines:
        next(lines)
        for line in lines:
            record = json.loads(line)
            if "frame" not in record:
                continue
            stream, index, time_s = record["stream"], record["frame"], record["time_s"]
            if index <= last[stream][0] or time_s <= last[stream][1]:
                yield f"{stream}: frame {index} at {time_s} s follows {last[stream]}"
            last[stream] = (index, time_s)


def main() -> int:
    """The command line of `make soak`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    arguments = parser.parse_args()
    result = soak(arguments.minutes, warm_up_s=min(300.0, arguments.minutes * 15))
    result.write(arguments.out)
    print(result.table(), *result.problems, f"written to {arguments.out}", sep="\n")
    good = result.exit_code == 130 and not result.problems and result.memory_slope_mb_per_min < 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
