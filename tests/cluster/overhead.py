"""What a cluster of one worker costs beside a plain run, on an idle machine.

    make bench-cluster VIDEO=talk.mp4

The same clip under 40 names goes through both in turns, all CPUs to the one worker. Printed are the
summaries' seconds, from the first file to the last result, and those of the whole commands, which
have the start of Ray in them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

_CLIPS = 40
_OPTIONS = ("--no-refine", "--no-display", "--quiet")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, help="a file; its first FRAMES are one clip")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        clips.mkdir()
        for number in range(_CLIPS):
            name = f"clip{number}{options.video.suffix}"
            (clips / name).symlink_to(options.video.resolve())
        more = ("--max-frames", str(options.frames))
        cluster = ("--cluster", "local:1", "--cpus-per-worker", str(cores))
        for number in range(options.rounds):
            plain_s, plain_all_s = _measured(clips, Path(folder) / f"plain{number}", more)
            shared_s, shared_all_s = _measured(clips, Path(folder) / f"c{number}", more + cluster)
            ratios.append(shared_s / plain_s)
            print(
                f"plain {plain_s:.1f} s (all {plain_all_s:.1f}), cluster {shared_s:.1f} s"
                f" (all {shared_all_s:.1f}): {100 * (ratios[-1] - 1):+.1f} %",
                flush=True,
            )
    print(f"median {100 * (median(ratios) - 1):+.1f} % (asked: at most +10 %)")


def _measured(clips: Path, out: Path, more: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of the summary, and of the whole command."""
    summary = out.with_suffix(".json")
    command = [sys.executable, "-m", "streamfer", "run", str(clips), *_OPTIONS, *more]
    command += ["--records", str(out / "{stream}.jsonl"), "--json-summary", str(summary)]
    began_s = time.monotonic()
    subprocess.run(command, check=True)
    return json.loads(summary.read_text())["seconds"], time.monotonic() - began_s


if __name__ == "__main__":
    main()
