from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from streamfer.app.terminal.standard_streams import shield_standard_streams
shield_standard_streams()
from rich.console import Console
opened = os.open(os.devnull, os.O_RDONLY)
for _ in range(3000):
    print("talk 話す 😀 \\udcff")
    Console().print("talk 話す 😀 \\udcff ━━━", style="bold")
    print("talk 話す 😀 \\udcff", file=sys.stderr)
os.write(1, b"a library")
sys.stdout.flush()
with open(sys.argv[1], "w") as file:
    print(opened > 2, file=file)
"""


def printed(
    tmp_path: Path, where: str, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Prints a lot, and says how that went in a file."""
    command = shlex.join([sys.executable, "-c", SCRIPT, str(tmp_path / "done")])
    line = f"{{ PYTHONIOENCODING={encoding} {command}; echo $? >>{tmp_path}/done; }} {where}"
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, encoding=encoding, timeout=60
    )


@pytest.mark.parametrize(
    "where",
    [">/dev/full", "2>/dev/full", ">&-", "2>&-", "<&- >&- 2>&-", "| true", "2>&1 | head -c 1", ""],
)
def test_what_cannot_be_printed_is_lost_and_nothing_else(where: str, tmp_path: Path) -> None:
    printed(tmp_path, where)
    assert (tmp_path / "done").read_text() == "True\n0\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_characters_that_a_terminal_lacks_are_replaced(encoding: str, tmp_path: Path) -> None:
    ended = printed(tmp_path, "", encoding)
    assert (tmp_path / "done").read_text() == "True\n0\n"
    first = "talk 話す 😀 ?" if encoding == "utf-8" else "talk ?? ? ?"
    assert ended.stdout.splitlines()[0] == first
    assert ended.stderr.splitlines()[0].endswith("\\udcff")
