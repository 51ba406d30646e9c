from __future__ import annotations

import io
import logging
import re

import pytest
from rich.console import Console

from streamfer.app.terminal.logs import configure_logging


@pytest.fixture
def logger() -> logging.Logger:
    return logging.getLogger("streamfer")


def test_a_line_in_a_file_is_one_line_with_its_time(logger: logging.Logger) -> None:
    file = io.StringIO()
    configure_logging("warning", Console(file=file))
    logger.warning("cam: %s rtsp://joe:hunter2@cam/1", "long " * 40)
    (line,) = file.getvalue().splitlines()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING cam: long long", line)
    assert line.endswith("rtsp://***@cam/1")


def test_a_terminal_gets_what_fits(logger: logging.Logger) -> None:
    file = io.StringIO()
    configure_logging("warning", Console(file=file, force_terminal=True, width=40))
    logger.warning("long " * 40)
    assert max(map(len, file.getvalue().splitlines())) <= 40 + 20  # with its colours
