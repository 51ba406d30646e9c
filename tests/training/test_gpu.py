"""The trainings of one GPU call: what they are, their limits, and their way on a CPU."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from streamfer.training.gpu import TimedStep, plan, run_limited, take
from streamfer.training.runs.steps import StepError
from tests.support.labelled_faces import drawn_set, write_parquet


def _steps(folder: Path) -> list[TimedStep]:
    places = {name: folder / name for name in ("data", "landmarks", "out")}
    return plan(argparse.Namespace(**places, device="cuda", share=1.0, workers=2))


def test_all_steps_together_take_a_quarter_of_an_hour(tmp_path: Path) -> None:
    steps = _steps(tmp_path)
    assert sum(step.limit_s for step in steps) <= 900
    assert all(step.usual_s < step.limit_s for step in steps)
    assert [step.module.rpartition(".")[2] for step in steps] == [
        *("classifier", "classifier", "generator", "codes", "encoder", "all")
    ]


def test_a_step_at_its_limit_is_stopped_and_what_it_left_is_used(tmp_path: Path) -> None:
    made = tmp_path / "made"
    stubborn = (
        "import pathlib, signal, sys, threading; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "pathlib.Path(sys.argv[1]).touch(); threading.Event().wait()"
    )
    assert run_limited([sys.executable, "-c", stubborn, str(made)], 3.0, 0.1) is None
    polite = (
        "import signal, threading; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "threading.Event().wait()"  # a shell starts what is in the background with it ignored
    )
    assert run_limited([sys.executable, "-c", polite], 0.5, 60.0) is None
    assert run_limited([sys.executable, "-c", "raise SystemExit(3)"], 60.0) == 3


def test_a_step_that_leaves_nothing_ends_it(tmp_path: Path) -> None:
    taken: list[str] = []

    def run(command: Sequence[str], limit_s: float) -> int | None:
        taken.append(command[2])
        return None if len(taken) == 1 else 0

    there = tmp_path / "there"
    there.touch()
    first = TimedStep("a", (), there, 1, 2)
    second = TimedStep("b", (), tmp_path / "absent", 1, 2)
    with pytest.raises(StepError, match=r"b ended \(exit code 0\), .*absent is not whole"):
        take([first, second, first], run, lambda: 0.0)
    assert taken == ["a", "b"]
    with pytest.raises(StepError, match="exit code 5"):
        take([first], lambda *_: 5, lambda: 0.0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundredth_of_the_way_on_a_cpu(tmp_path: Path) -> None:
    sets = {"train-0": drawn_set(70), "public_test": drawn_set(21, seed=500)}
    for name, faces in sets.items():
        write_parquet(tmp_path / f"{name}.parquet", faces)
    cache = LandmarkCache({picture_key(p): None for s in sets.values() for p in s.pictures})
    cache.save(tmp_path / "landmarks.npz")
    places = {"data": tmp_path, "landmarks": tmp_path / "landmarks.npz", "out": tmp_path / "out"}
    given = argparse.Namespace(**places, device="cpu", share=0.01, workers=0)
    # A busy machine takes its time.
    *trainings, after = (replace(step, limit_s=3000) for step in plan(given))
    take(trainings)
    # Drawn faces are none that the detector finds, so that trust, near the end, has nothing to fit.
    with pytest.raises(StepError, match=r"training\.all ended"):
        take([replace(after, makes=tmp_path / "absent")])
    for made in ("teacher/face_vgg19", "classifier/face_vgg19", "generator/generator"):
        assert (tmp_path / "out" / f"{made}.safetensors").exists()
    assert (tmp_path / "out" / "encoder" / "encoder.safetensors").exists()
    assert (tmp_path / "out" / "all" / "weights" / "fused_heads.md").exists()
