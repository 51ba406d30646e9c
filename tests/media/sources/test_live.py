from __future__ import annotations

import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.endpoint import LiveConfig
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.loss import ConnectionLost, LossKind
from streamfer.media.sources.source import PendingFrame
from tests.support.live import ENDPOINT, FakeClock, Recorder, ScriptedConnect, ScriptedConnection

AT_ONCE = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0, refused_backoff_s=0.0)


def lost(kind: LossKind = LossKind.NETWORK, reason: str = "connection lost") -> ConnectionLost:
    return ConnectionLost(reason, kind)


def source_of(
    recorder: Recorder,
    *outcomes: ScriptedConnection | ConnectionLost,
    config: LiveConfig = AT_ONCE,
    clock: FakeClock | None = None,
) -> LiveSource:
    return LiveSource(
        "cam",
        ENDPOINT,
        recorder.callbacks(),
        config,
        clock=clock or FakeClock(),
        connect=ScriptedConnect(*outcomes),
    )


def test_a_stream_reports_its_way_up() -> None:
    recorder = Recorder()
    end = ScriptedConnection(0, 40, finite=True)
    source = source_of(recorder, lost(reason="connection refused"), end)
    info = source.open()
    frames = list(source.frames())
    assert (info.source, info.width, info.live) == ("rtsp://***@cam/1", None, True)
    assert [frame.index for frame in frames] == [0, 1]
    assert recorder.states == [
        ("connecting", None),
        ("connecting", "connection refused"),
        ("live", None),
    ]
    assert recorder.event_kinds() == ["error", "opened"]
    assert recorder.events[1].details == {
        "width": 64,
        "height": 48,
        "codec": "h264",
        "frame_rate": 25.0,
    }
    assert end.closed


def test_a_lost_stream_comes_back_and_time_goes_on() -> None:
    recorder, clock = Recorder(), FakeClock()
    first = ScriptedConnection(1000, 1040, lost())

    def three_seconds_later() -> None:
        clock.now_s = 103.0

    second = ScriptedConnection(0, 40, finite=True, on_picture=three_seconds_later)
    frames = list(source_of(recorder, first, lost(), second, clock=clock).frames())
    assert [round(frame.time_s, 3) for frame in frames] == [0.0, 0.04, 3.04, 3.08]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert recorder.event_kinds() == ["opened", "disconnected", "reconnected"]
    assert recorder.events[1].time_s == pytest.approx(0.04)
    assert recorder.events[2].details["after_s"] == 3.0
    assert recorder.state_names() == [
        "connecting",
        "live",
        "reconnecting",
        "reconnecting",
        "live",
    ]
    assert first.closed


def test_the_end_of_an_endless_stream_is_a_loss() -> None:
    recorder = Recorder()
    list(source_of(recorder, ScriptedConnection(0), ScriptedConnection(0, finite=True)).frames())
    assert recorder.events[1].details == {"message": "the other side ended the stream"}


def test_what_is_left_of_a_stream_that_ended_is_not_played_again() -> None:
    """An encoder that stops closes its playlist, which holds the last pictures from the beginning;
    one that is started again opens a new one."""
    recorder = Recorder()
    script = (
        ScriptedConnection(0, 40, playlist=True),
        ScriptedConnection(0, 40, finite=True, playlist=True),
        ScriptedConnection(0, playlist=True),
        lost(LossKind.UNSUPPORTED, "over"),
    )
    frames = source_of(recorder, *script).frames()
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="over"):
        next(frames)
    assert recorder.event_kinds()[:4] == ["opened", "disconnected", "error", "reconnected"]
    assert recorder.events[2].details == {
        "message": "the other side ended the stream; its playlist is complete"
    }


def test_a_film_in_a_playlist_is_played_and_ends() -> None:
    film = ScriptedConnection(0, 40, finite=True, playlist=True)
    assert len(list(source_of(Recorder(), film).frames())) == 2


def test_silence_is_a_stall() -> None:
    recorder = Recorder()
    silent = ScriptedConnection(0, lost(LossKind.SILENCE, "no data for 4 s"))
    list(source_of(recorder, silent, ScriptedConnection(0, finite=True)).frames())
    assert recorder.states[2:4] == [
        ("stalled", "no data for 4 s"),
        ("reconnecting", "no data for 4 s"),
    ]


def test_each_reason_is_told_once() -> None:
    recorder = Recorder()
    refused = [lost(reason="connection refused")] * 3
    wrong = [lost(LossKind.REFUSED, "wrong password")] * 2
    end = ScriptedConnection(0, finite=True)
    list(source_of(recorder, *refused, *wrong, end).frames())
    messages = [event.details.get("message") for event in recorder.events]
    assert messages == ["connection refused", "wrong password", None]


@pytest.mark.parametrize(("limit", "tries"), [(0, 1), (1, 2), (3, 4)])
def test_gives_up_after_as_many_failures_in_a_row_as_asked(limit: int, tries: int) -> None:
    config = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0, max_reconnects=limit)
    connect = ScriptedConnect(*[lost(reason="connection refused")] * tries)
    source = LiveSource(
        "cam", ENDPOINT, Recorder().callbacks(), config, clock=FakeClock(), connect=connect
    )
    with pytest.raises(SourceError, match=r"^rtsp://\*\*\*@cam/1: connection refused$"):
        list(source.frames())
    assert connect.tries == tries


def test_success_forgives_earlier_failures() -> None:
    config = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0, max_reconnects=1)
    up = ScriptedConnection(0, lost())
    end = ScriptedConnection(0, finite=True)
    assert len(list(source_of(Recorder(), up, up, up, end, config=config).frames())) == 4


@pytest.mark.parametrize("kind", [LossKind.UNSUPPORTED, LossKind.ABSENT])
def test_what_cannot_work_is_not_tried_again(kind: LossKind) -> None:
    source = source_of(Recorder(), lost(kind, "no SRT"))
    with pytest.raises(SourceError, match="no SRT"):
        list(source.frames())


def test_a_device_that_was_there_is_waited_for() -> None:
    unplugged = [ScriptedConnection(0, lost()), lost(LossKind.ABSENT), lost(LossKind.ABSENT)]
    source = source_of(Recorder(), *unplugged, ScriptedConnection(0, finite=True))
    assert len(list(source.frames())) == 2


def test_a_change_of_size_is_an_event_and_a_new_segment() -> None:
    recorder = Recorder()
    small = ScriptedConnection(0, lost())
    large = ScriptedConnection(0, finite=True, size_wh=(128, 96))
    frames = list(source_of(recorder, small, large).frames())
    assert [frame.segment for frame in frames] == [0, 1]
    assert recorder.event_kinds() == ["opened", "disconnected", "changed", "reconnected"]
    assert recorder.events[2].details == {"width": 128, "height": 96, "before": [64, 48]}


def test_a_jump_of_the_senders_clock_is_an_event() -> None:
    recorder = Recorder()
    list(source_of(recorder, ScriptedConnection(0, 40, 60_080, 60_120, finite=True)).frames())
    assert recorder.event_kinds() == ["opened", "changed"]
    assert recorder.events[1].details == {"clock_jump_s": 60.04}


def test_interrupting_ends_the_stream_at_the_next_picture() -> None:
    source = source_of(Recorder(), ScriptedConnection(*range(0, 4000, 40)))
    seen: list[PendingFrame] = []
    for frame in source.frames():
        seen.append(frame)
        source.interrupt()
    assert len(seen) == 1


def test_interrupting_ends_the_wait_for_the_next_try() -> None:
    recorder = Recorder()
    config = LiveConfig(backoff_min_s=3600.0, backoff_max_s=3600.0)
    source = LiveSource(
        "cam",
        ENDPOINT,
        recorder.callbacks(),
        config,
        clock=FakeClock(),
        jitter=lambda: (source.interrupt(), 0.0)[1],
        connect=ScriptedConnect(lost()),
    )
    assert list(source.frames()) == []


def test_a_closed_iterator_closes_its_connection() -> None:
    connection = ScriptedConnection(0, 40)
    frames = source_of(Recorder(), connection).frames()
    next(frames)
    frames.close()
    assert connection.closed
