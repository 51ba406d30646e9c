from __future__ import annotations

import signal
import threading

import pytest

from streamfer.app.session.signals import StopSignals


@pytest.mark.parametrize(
    ("number", "count"),
    # A terminal that closes may send one itself and have its shell send another.
    [(signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGHUP, 1)],
)
def test_signals_are_counted_and_handlers_come_back(number: signal.Signals, count: int) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert signals.count == count
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_it_only_counts_nothing() -> None:
    counts = []

    def body() -> None:
        with StopSignals() as signals:
            counts.append(signals.count)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert counts == [0]


def test_a_hang_up_may_ask_to_read_the_configuration_again() -> None:
    with StopSignals(rereads=True) as signals:
        signal.raise_signal(signal.SIGHUP)
        assert (signals.count, signals.reread) == (0, True)
        signal.raise_signal(signal.SIGTERM)
        assert signals.count == 1
