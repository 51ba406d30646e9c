"""`make bench-peer`: streamfer and the package `fer` on one video, in turns.

Both are measured as slopes, the difference between a long run and a short one, so that loading
networks does not count. streamfer does all it does by default but refinement: annotated video,
sound and records; `fer` reads the frames and answers, no more.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_ANALYSE = Path(__file__).parent / "analyse.py"


@dataclass(frozen=True, slots=True)
class Slope:
    """What one more frame takes."""

    fps: float
    core_ms: float

    @classmethod
    def between(cls, frames: int, seconds: float, core_seconds: float) -> Slope:
        """Of so many more frames that took so much longer."""
        return cls(frames / max(seconds, 1e-9), core_seconds / frames * 1000)


def peer_slope(python: str, video: str, frames: int) -> Slope:
    """Of `fer`, in its own environment."""
    command = [python, str(_ANALYSE), video, str(frames), str(3 * frames)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in answer.splitlines() if line.startswith('{"frames"')]
    short, long = (json.loads(line) for line in lines)
    return Slope.between(
        2 * frames,
        long["seconds"] - short["seconds"],
        long["core_seconds"] - short["core_seconds"],
    )


def our_slope(video: str, loops: int) -> Slope:
    """Of streamfer with everything on but refinement."""
    short, long = _our_run(video, loops), _our_run(video, 3 * loops)
    return Slope.between(long[0] - short[0], long[1] - short[1], long[2] - short[2])


def _our_run(video: str, loops: int) -> tuple[int, float, float]:
    """Frames, seconds, and CPU seconds of one run."""
    with tempfile.TemporaryDirectory(prefix="streamfer-peer-") as folder:
        summary = Path(folder, "summary.json")
        command = [sys.executable, "-m", "streamfer", "run", video, "--loop", str(loops)]
        command += ["--no-refine", "--no-display", "--quiet", "--json-summary", str(summary)]
        command += ["--output", f"{folder}/out.mp4", "--records", f"{folder}/out.jsonl"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began_s = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - began_s
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        core_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return int(json.loads(summary.read_text())["frames"]), seconds, core_s


def main() -> None:
    """Measures, prints each round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--peer", required=True, help="Python of the environment that has fer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=60, help="of fer's short run")
    parser.add_argument("--loops", type=int, default=1, help="of our short run")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ours, peers = [], []
    for number in range(options.rounds):
        ours.append(our_slope(options.video, options.loops))
        peers.append(peer_slope(options.peer, options.video, options.frames))
        print(f"round {number + 1}: streamfer {ours[-1]}, fer {peers[-1]}", flush=True)
    fps, peer_fps = (statistics.median(s.fps for s in each) for each in (ours, peers))
    core_ms, peer_ms = (statistics.median(s.core_ms for s in each) for each in (ours, peers))
    print(
        f"streamfer {fps:.1f} frames/s, {core_ms:.1f} core-ms a frame;"
        f" fer {peer_fps:.1f} and {peer_ms:.1f}; {fps / peer_fps:.2f} times as fast"
    )
    if options.json is not None:
        rounds = {"streamfer": [asdict(s) for s in ours], "fer": [asdict(s) for s in peers]}
        options.json.write_text(json.dumps(rounds | {"ratio": fps / peer_fps}, indent=1))


if __name__ == "__main__":
    main()
