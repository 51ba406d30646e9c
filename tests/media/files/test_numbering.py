"""Numbers of continuations, which a stream's outputs have in common."""

from __future__ import annotations

from streamfer.media.files.numbering import Numbering


def test_an_output_that_is_behind_has_the_numbers_of_the_one_ahead() -> None:
    numbering = Numbering()
    numbering.join(lambda number: number != 2)  # taken for one of them, so for both
    ahead = [numbering.next(10, above=0), numbering.next(13, above=1)]
    assert ahead == [1, 3]
    assert [numbering.next(10, above=0), numbering.next(13, above=1)] == ahead
    assert numbering.next(20, above=3) == 4


def test_what_begins_at_no_frame_shares_its_number_with_nothing() -> None:
    numbering = Numbering()
    assert numbering.next(None, above=0) == 1
    assert numbering.next(None, above=0) == 2


def test_a_number_that_was_tried_is_not_given_again() -> None:
    numbering = Numbering()
    assert numbering.next(10, above=0) == 1
    assert numbering.next(10, above=1) == 2
    assert numbering.next(10, above=0) == 2
