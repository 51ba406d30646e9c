from __future__ import annotations

import numpy as np

from streamfer.pipeline.refine.mailbox import Mailbox, RefineRequest


def face(track: int, time_s: float, quality: float = 0.5, stream: str = "a") -> RefineRequest:
    crop, latent = np.zeros((4, 4), np.uint8), np.zeros((2, 3), np.float32)
    return RefineRequest(stream, track, time_s, crop, latent, latent, quality)


def test_first_face_of_a_track_goes_in_at_once() -> None:
    mailbox = Mailbox(every_s=4)
    assert mailbox.offer(face(1, 0.0))
    assert not mailbox.offer(face(1, 0.1))
    assert mailbox.offer(face(2, 0.1))
    assert [r.track_id for r in mailbox.take(8)] == [1, 2]
    assert len(mailbox) == 0


def test_best_face_of_the_interval_goes_in_when_it_is_over() -> None:
    mailbox = Mailbox(every_s=4)
    mailbox.offer(face(1, 0.0))
    mailbox.take(1)
    assert not mailbox.offer(face(1, 1.0, 0.6))
    assert not mailbox.offer(face(1, 2.0, 0.9))
    assert mailbox.offer(face(1, 4.0, 0.7))
    assert [r.time_s for r in mailbox.take(1)] == [2.0]
    # The next interval starts from nothing: an old best face does not come again.
    assert mailbox.offer(face(1, 8.0, 0.1))
    assert [r.time_s for r in mailbox.take(1)] == [8.0]


def test_newest_request_replaces_a_waiting_one_but_keeps_its_turn() -> None:
    mailbox = Mailbox(every_s=1)
    mailbox.offer(face(1, 0.0))
    mailbox.offer(face(2, 0.0))
    mailbox.offer(face(1, 5.0))
    assert [(r.track_id, r.time_s) for r in mailbox.take(8)] == [(1, 5.0), (2, 0.0)]


def test_a_full_batch_leaves_the_rest_waiting() -> None:
    mailbox = Mailbox(every_s=1)
    for track in range(5):
        mailbox.offer(face(track, 0.0))
    assert [r.track_id for r in mailbox.take(2)] == [0, 1]
    assert len(mailbox) == 3


def test_streams_do_not_share_tracks_and_are_forgotten() -> None:
    mailbox = Mailbox(every_s=10)
    assert mailbox.offer(face(1, 0.0, stream="a"))
    assert mailbox.offer(face(1, 0.0, stream="b"))
    mailbox.forget("a")
    assert [r.stream for r in mailbox.take(8)] == ["b"]
    assert mailbox.offer(face(1, 1.0, stream="a"))


def test_tracks_that_have_ended_are_forgotten_while_their_stream_goes_on() -> None:
    mailbox = Mailbox(every_s=1000)
    for second in range(0, 200, 10):
        mailbox.offer(face(1, float(second)))
    assert mailbox.offer(face(2, 0.0))
    mailbox.take(8)
    assert not mailbox.offer(face(1, 200.0))  # seen all the time
    assert mailbox.offer(face(2, 200.0))  # afresh


def test_tracks_that_are_gone_are_not_kept_for_ever() -> None:
    mailbox = Mailbox(every_s=1)
    for track in range(1000):
        mailbox.offer(face(track, float(track)))
        mailbox.take(1)
    mailbox.offer(face(0, 5.0, stream="b"))
    assert mailbox.tracks < 40


def test_of_faces_about_as_good_the_last_is_taken() -> None:
    mailbox = Mailbox(every_s=1)
    assert mailbox.offer(face(1, 0.0, 0.9))
    mailbox.take(1)
    for time_s, quality in ((0.2, 0.5), (0.4, 0.42), (0.6, 0.39), (0.8, 0.3)):
        assert not mailbox.offer(face(1, time_s, quality))
    assert mailbox.offer(face(1, 1.0, 0.2))
    (taken,) = mailbox.take(1)
    assert taken.time_s == 0.4
