"""A program that sends a stream: what becomes of it, and of what it says."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import pytest

from streamfer.media.video.program_output import ProgramOutput
from streamfer.media.video.sending_program import SendingCommand
from tests.support.children import Children

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it is used on POSIX systems only")
CONNECTED = "import sys, time; print('progress=continue', flush=True); "
PACKET = b"\x47" + b"\x00" * 187


def command(code: str, preset: bytes = b"", secrets: tuple[str, ...] = ()) -> SendingCommand:
    return SendingCommand((sys.executable, "-c", code, "{preset}"), preset, secrets)


def failure(action: Callable[[], object]) -> OSError:
    with pytest.raises(OSError) as raised:  # noqa: PT011
        action()
    return raised.value


def test_a_program_that_does_not_connect_says_why_without_secrets() -> None:
    children = Children()
    code = (
        "import sys; print('[srt @ 0x12] refused', open(sys.argv[1]).read(), 'srt://a:b@h:1',"
        " file=sys.stderr); sys.exit(3)"
    )
    refused = command(code, b"passphrase=hunter2 hunter2", ("hunter2 hunter2",))
    error = failure(lambda: ProgramOutput(refused, 60.0))
    assert error.strerror == "refused passphrase=*** srt://***@h:1"
    assert children.now() == []


def test_one_that_says_nothing_is_named_by_its_exit_code() -> None:
    error = failure(lambda: ProgramOutput(command("import sys; sys.exit(3)"), 60.0))
    assert error.strerror == "the program that sends has ended (exit code 3)"


def test_one_that_cannot_be_started_is_an_error_like_any_other() -> None:
    missing = SendingCommand(("/nonexistent/ffmpeg",), b"", ())
    assert failure(lambda: ProgramOutput(missing, 60.0)).errno == errno.ENOENT


def test_one_that_never_connects_is_given_up_and_ended() -> None:
    children = Children()
    error = failure(lambda: ProgramOutput(command("import time; time.sleep(600)"), 0.2))
    assert error.errno == errno.ETIMEDOUT
    assert children.now() == []


def test_one_that_takes_nothing_is_given_up_and_ended() -> None:
    children = Children()
    output = ProgramOutput(command(CONNECTED + "time.sleep(600)"), 60.0)
    output._timeout_s = 0.2
    error = failure(lambda: [output.write(PACKET * 1000) for _ in range(100)])
    assert error.errno == errno.ETIMEDOUT
    output.write(PACKET)  # FFmpeg's end of the stream
    output.close()
    output.close()
    assert children.now() == []


def test_one_that_ends_meanwhile_says_why() -> None:
    children = Children()
    code = CONNECTED + "sys.stdin.buffer.read(1); sys.exit('lost')"

    def write_on() -> None:
        with ProgramOutput(command(code), 60.0) as output:
            while output._failure is None:
                output.write(PACKET)

    assert failure(write_on).strerror == "lost"
    assert children.now() == []


def test_it_reads_whole_packets_and_talk_does_not_hold_it() -> None:
    """The program reads pieces as FFmpeg does, and says more than its pipes hold."""
    code = CONNECTED + (
        "import os\n"
        "while piece := os.read(0, 1316):\n"
        "    assert len(piece) % 188 == 0 and piece[0] == 0x47\n"
        "    print('x' * 500, flush=True); print('y' * 500, file=sys.stderr, flush=True)\n"
    )
    stream = PACKET * 2000
    with ProgramOutput(command(code), 60.0) as output:
        for start in range(0, len(stream), 32_768):
            output.write(stream[start : start + 32_768])
    assert output._child.returncode == 0


def test_the_terminal_does_not_reach_it() -> None:
    with ProgramOutput(command(CONNECTED + "sys.stdin.read()"), 60.0) as output:
        assert os.getsid(output._child.pid) == output._child.pid != os.getsid(0)


def test_no_report_is_written_of_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFREPORT", "level=48")
    code = CONNECTED + "import os; sys.stdin.read(); sys.exit(int('FFREPORT' in os.environ))"
    with ProgramOutput(command(code), 60.0) as output:
        pass
    assert output._child.returncode == 0
