"""Damaged videos, pictures, records and settings, odd addresses and names: no crash, no hang, no
traceback, documented exit codes."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.fuzz_seeds import SECRET, address, name, pictures, recordings
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


@pytest.mark.parametrize("count", cases(24, 1600))
def test_damaged_pictures(tmp_path: Path, count: int) -> None:
    """With colour profiles, in tiles, with a second one behind the first, moving."""
    originals = pictures(tmp_path)
    clip = make_clip(tmp_path / "good.mp4", ClipSpec(frames=8))
    records = tmp_path / "out.jsonl"
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            rng = random.Random(seed)
            suffix, content = rng.choice(originals)
            broken = tmp_path / f"broken{suffix}"
            broken.write_bytes(damaged(content, rng))
            problem = program.run(
                "run", broken, "--quiet", "--no-display", "--no-refine",
                "--records", records, "--output", tmp_path / "out.mp4", records=records,
            )  # fmt: skip
            broken.unlink()
            if problem is not None:
                problems.append(f"seed {seed}, {suffix}: {problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("count", cases(8, 400))
def test_damaged_splices(tmp_path: Path, count: int) -> None:
    """Recordings put together, with clocks that leap and run over, then damaged or not."""
    parts = recordings(tmp_path)
    clip = make_clip(tmp_path / "good.mp4", ClipSpec(frames=8))
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            rng = random.Random(seed)
            content = b"".join(rng.choices(parts, k=rng.randint(2, 4)))
            broken = tmp_path / "broken.ts"
            broken.write_bytes(damaged(content, rng) if rng.random() < 0.7 else content)
            output = tmp_path / f"out{rng.choice(('.mp4', '.mov', '.mkv'))}"
            extra = rng.choice(((), ("--start", 0.1), ("--loop", 2), ("--segment", 0.2)))
            problem = program.run(
                "run", broken, "--quiet", "--no-display", "--no-refine", "--output", output, *extra
            )  # fmt: skip
            if problem is not None:
                problems.append(f"seed {seed}: {problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("count", cases(10, 600))
def test_odd_addresses(tmp_path: Path, count: int) -> None:
    """Nobody answers there, and the password in them is never said."""
    clip = make_clip(tmp_path / "good.mp4", ClipSpec(frames=8))
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            url = address(random.Random(seed))
            problem = program.run(
                "run", url, "--quiet", "--no-display", "--no-refine", "--max-reconnects", 0,
                hidden=SECRET,
            )  # fmt: skip
            if problem is not None:
                problems.append(f"seed {seed}, {url!r}: {problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("count", cases(12, 400))
def test_odd_names(tmp_path: Path, count: int) -> None:
    """Whatever a file system takes as a name: alone or in a folder, the records are complete."""
    clip = make_clip(tmp_path / "good.mp4", ClipSpec(frames=2))
    records = tmp_path / "out.jsonl"
    problems = []
    with Program(clip) as program:
        for seed in seeds(count):
            rng = random.Random(seed)
            folder = tmp_path / str(seed)
            folder.mkdir()
            odd = folder / os.fsdecode(name(rng) + b".mp4")
            odd.write_bytes(clip.read_bytes())
            hidden = odd.name.startswith(".")  # a folder is searched for what can be seen
            problem = program.run(
                "run", odd if hidden else rng.choice((folder, odd)), "--quiet", "--no-display",
                "--no-refine",
                "--records", records, "--output", folder / "out" / "{stream}.mp4",
            )  # fmt: skip
            if problem is None and records.read_text().count('"frame":') != 2:
                problem = "the records are not complete"
            records.unlink(missing_ok=True)
            if problem is not None:
                problems.append(f"seed {seed}, {odd.name!r}: {problem}")
    assert not problems, "\n".join(problems)
