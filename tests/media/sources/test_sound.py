from __future__ import annotations

from fractions import Fraction

import av
import pytest

from streamfer.media.sources.sound import TravellingSound

TENTH = Fraction(1, 10)


def sound_of(*tenths: int) -> TravellingSound:
    """Packets of a tenth of a second each, beside a video that begins at 0."""
    sound = TravellingSound()
    sound.begin_clock("mpegts", follows_video=True)
    sound.begin(Fraction(0), Fraction(0))
    for tenth in tenths:
        packet = av.Packet(b"sound")
        packet.pts = packet.dts = tenth
        packet.duration, packet.time_base = 1, TENTH
        sound.put(packet)
    return sound


def given(sound: TravellingSound, time_s: int | None, shift_s: Fraction = Fraction(0)) -> list[int]:
    moment = None if time_s is None else Fraction(time_s)
    return [packet.pts for packet in sound.upto(moment, shift_s)]


def test_sound_that_goes_back_waits_for_its_video_to_say_how_far() -> None:
    sound = sound_of(0, 1, 2, 3, 4, 5, 0, 1, 2)
    assert given(sound, 2) == [0, 1, 2, 3, 4, 5]
    assert given(sound, 5) == []
    assert given(sound, 6, Fraction(7, 10)) == [7, 8, 9]


def test_sound_whose_video_never_goes_back_follows_the_sound_before() -> None:
    sound = sound_of(*range(6), *range(150))
    assert given(sound, 2) == [0, 1, 2, 3, 4, 5]
    assert given(sound, 12) == []
    assert given(sound, 13) == [*range(6, 130)]
    assert given(sound, None) == [*range(130, 156)]


def test_what_waits_is_bounded_by_what_it_takes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfer.media.sources.sound._MOST_BYTES", 50_000)
    sound = sound_of(*range(200))
    assert sound.problem is not None
    assert given(sound, None) == [*range(151, 200)]  # a packet of five bytes takes up 1005


def test_what_comes_after_its_reader_has_gone_is_not_kept() -> None:
    sound = sound_of(0)
    sound.close()
    packet = av.Packet(b"sound")
    packet.pts, packet.time_base = 1, TENTH
    sound.put(packet)
    assert sound.peek() is None
