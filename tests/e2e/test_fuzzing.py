"""Damaged videos, records and settings: no crash, no hang, no traceback, documented exit codes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.fuzzing import Program, damaged
from tests.support.program import streamfer

Capture = pytest.CaptureFixture[str]


def cases(short: int, long: int) -> list[object]:
    """How many: few in every run, many in a slow one."""
    return [
        pytest.param(short, marks=pytest.mark.timeout(300)),
        pytest.param(long, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
    ]


def seeds(count: int) -> range:
    """The slow run begins where the short one ends."""
    return range(count) if count < 100 else range(100, 100 + count)


@pytest.mark.parametrize("count", cases(24, 1600))
def test_damaged_videos(tmp_path: Path, count: int) -> None:
    originals = [
        make_clip(tmp_path / f"good{suffix}", ClipSpec(frames=8)).read_bytes()
        for suffix in (".mp4", ".mkv", ".ts")
    ]
    problems = []
    with Program(tmp_path / "good.mp4") as program:
        for seed in seeds(count):
            rng = random.Random(seed)
            # The suffix may lie about what is inside.
            broken = tmp_path / f"broken{rng.choice(('.mp4', '.mkv', '.ts'))}"
            broken.write_bytes(damaged(rng.choice(originals), rng))
            problem = program.run(
                "run", broken, "--quiet", "--no-display", "--max-frames", 8,
                "--records", tmp_path / "out.jsonl", "--output", tmp_path / "out.mp4",
            )  # fmt: skip
            if problem is not None:
                problems.append(f"seed {seed}: {problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("count", cases(24, 300))
def test_damaged_records(capfd: Capture, tmp_path: Path, count: int) -> None:
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=8))
    output = tmp_path / "out.mp4"
    suffixes = (".jsonl", ".csv", ".parquet")
    for suffix in suffixes:
        records = tmp_path / f"good{suffix}"
        ended = streamfer(capfd, "run", clip, "--output", output, "--records", records)
        assert ended.code == 0
    companions = {path.name.removeprefix("good"): path.read_bytes() for path in tmp_path.iterdir()
                  if path.name.startswith("good")}  # fmt: skip
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            rng = random.Random(seed)
            for ending, content in companions.items():
                broken = damaged(content, rng) if rng.random() < 0.7 else content
                (tmp_path / f"broken{ending}").write_bytes(broken)
            records = tmp_path / f"broken{rng.choice(suffixes)}"
            problem = program.run("verify", clip, output, records)
            if problem is not None:
                problems.append(f"seed {seed}: {problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("count", cases(24, 300))
def test_damaged_settings(tmp_path: Path, count: int) -> None:
    settings = b'max-frames = 2\ndetector = "auto"\ndetect-every = 3\ncrf = 23\nrealtime = false\n'
    settings += b'output = "out.mp4"\nmin-face = 20\nloop = 2\nstart = 0.1\nlabel-set = "fer2013"\n'
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=8))
    file = tmp_path / "broken.toml"
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            file.write_bytes(damaged(settings, random.Random(seed)))
            problem = program.run(
                "run", clip, "--config", file, "--quiet", "--no-display", "--loop", 1,
                "--output", tmp_path / "out.mp4",
            )  # fmt: skip
            if problem is not None:
                problems.append(f"seed {seed}: {problem}")
    assert not problems, "\n".join(problems)
