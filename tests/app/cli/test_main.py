from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamfer.app.cli.main import main
from tests.support.program import streamfer

REPOSITORY = Path(__file__).resolve().parents[3]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_thread_that_nothing_can_interrupt_does_not_hold_the_process() -> None:
    ended = python(
        "-c",
        "import threading; from streamfer.app.cli import main as cli\n"
        "def main():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    print('outputs are closed')\n"
        "    return 7\n"
        "cli.main = main\n"
        "cli.run_process()",
    )
    assert (ended.returncode, ended.stdout) == (7, "outputs are closed\n")


@pytest.mark.parametrize("how", [["-m", "streamfer", "run"], [str(REPOSITORY / "run_stream.py")]])
def test_every_way_to_start_the_program(how: list[str], tmp_path: Path) -> None:
    ended = python(*how, str(tmp_path / "none.mp4"))
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert "none.mp4" in ended.stderr


def test_a_python_without_the_packages_is_told_what_to_type() -> None:
    ended = python("-S", str(REPOSITORY / "run_stream.py"))
    assert ended.returncode == 2
    assert "make demo" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_wrong_command_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    ended = streamfer(capfd, "analyse")
    assert ended.code == 2
    assert "analyse" in ended.complaint


def test_without_arguments_it_shows_its_commands(capfd: pytest.CaptureFixture[str]) -> None:
    ended = streamfer(capfd)
    assert ended.code == 0
    assert "doctor" in ended.out


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ([], ("streamfer.app.config", "rich", "numpy")),
        (["run"], ("rich", "numpy", "cv2", "av", "torch", "onnx")),
        (["edit"], ("rich", "numpy", "cv2", "av", "torch", "onnx")),
        (["eval", "classifier"], ("rich", "numpy", "cv2", "av", "torch", "onnx")),
    ],
)
def test_help_loads_nothing_heavy(command: list[str], unneeded: tuple[str, ...]) -> None:
    ended = python(
        "-c",
        f"import sys; from streamfer.app.cli import main as cli; cli.main({[*command, '--help']})\n"
        f"print([m for m in {unneeded} if m in sys.modules])",
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_name_that_is_too_long_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"{'x' * 300}.mp4"
    assert main(["run", "demo:", "--output", str(output), "--no-display"]) == 2
    assert "the name is too long" in capsys.readouterr().err.splitlines()[-1]
