"""Steps are passed over while what they are made from stays the same."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamfer.errors import EngineError
from streamfer.training.runs.steps import Step, StepError, module_step, take_steps


class Recorder:
    """Steps that copy `a` to `b` and `b` to `c`."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / name for name in ("a", "b", "c")]
        self.files[0].write_text("first")
        self.taken: list[str] = []
        self.code = 0

    def steps(self, *options: str) -> list[Step]:
        a, b, c = self.files

        def copy(arguments: Sequence[str]) -> int:
            self.taken.append("second")
            c.write_text(b.read_text())
            return self.code

        def first() -> None:
            self.taken.append("first")
            b.write_text(a.read_text())

        return [
            Step("first", first, (a,), (b,)),
            module_step("second", copy, options, (b,), (c,)),
        ]


def test_what_has_not_changed_is_passed_over(tmp_path: Path) -> None:
    recorder, state = Recorder(tmp_path), tmp_path / "steps.json"
    take_steps(recorder.steps(), state)
    assert recorder.taken == ["first", "second"]
    take_steps(recorder.steps(), state)
    assert recorder.taken == ["first", "second"]
    take_steps(recorder.steps("--other"), state)
    assert recorder.taken == ["first", "second", "second"]
    recorder.files[0].write_text("another")
    take_steps(recorder.steps("--other"), state)
    assert recorder.taken[3:] == ["first", "second"]
    assert recorder.files[2].read_text() == "another"
    recorder.files[2].unlink()
    take_steps(recorder.steps("--other"), state)
    assert recorder.taken[5:] == ["second"]


def test_a_step_that_fails_is_taken_again(tmp_path: Path) -> None:
    recorder, state = Recorder(tmp_path), tmp_path / "steps.json"
    recorder.code = 5
    with pytest.raises(StepError, match="stopped at second; the same command goes on") as raised:
        take_steps(recorder.steps(), state)
    assert raised.value.exit_code == 5
    recorder.code = 0
    take_steps(recorder.steps(), state)
    assert recorder.taken == ["first", "second", "second"]


def test_a_missing_beginning_is_named(tmp_path: Path) -> None:
    step = Step("none", lambda: None, (tmp_path / "absent",), ())
    with pytest.raises(EngineError, match="absent"):
        take_steps([step], tmp_path / "steps.json")
