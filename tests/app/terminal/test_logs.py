from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from streamfer.app.terminal.logs import configure_logging


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """The package's logger, which comes back as it was."""
    logger = logging.getLogger("streamfer")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


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
