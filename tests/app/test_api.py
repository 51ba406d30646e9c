"""The Python API: every way of calling it, and what it answers to wrong calls."""

from __future__ import annotations

import asyncio
import doctest
import gc
import typing
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamfer
from streamfer.app import api
from streamfer.app.config import RunConfig
from streamfer.app.session import options, session
from streamfer.media.sources.arrays import ArraySource
from streamfer.types import Frame, FrameResult, StreamEvent, StreamInfo, UInt8Array
from tests.support.quick_sessions import analysing

# What is public.


def test_the_public_names_are_those_of_the_contract() -> None:
    assert set(streamfer.__all__) == {
        *("analyze", "analyze_async", "analyze_image", "Session", "LABELS", "__version__"),
        *("Frame", "Detection", "FaceResult", "FrameResult", "StreamEvent", "StreamInfo"),
        *("Source", "Sink", "FaceHead", "read_records"),
        *("StreamferError", "ConfigError", "SourceError", "OutputError", "EngineError"),
        "PipelineError",
    }
    for name in streamfer.__all__:
        assert getattr(streamfer, name) is not None
    assert set(dir(streamfer)) == set(streamfer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = streamfer.analyse  # type: ignore[attr-defined]


def test_options_are_those_of_the_command_line_but_what_means_nothing_here() -> None:
    known = {field.name for field in fields(RunConfig)}
    left_out = {"source", "display", "quiet", "log_level", "web", "web_tls", "web_sources"}
    left_out |= {"cluster", "cpus_per_worker", "gpu_share", "streams_per_worker"}
    assert set(options.RunOptions.__annotations__) == known - left_out
    assert typing.get_type_hints(options.RunOptions)  # names that an editor can resolve


@pytest.mark.parametrize("module", [api, session], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module: Any) -> None:
    import skimage.data

    names = {"streamfer": streamfer, "skimage": skimage, "asyncio": asyncio}
    found = doctest.DocTestFinder(exclude_empty=True).find(module, globs=module.__dict__ | names)
    examples = [test for test in found if test.examples]
    assert examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in examples:
        runner.run(test)
    assert runner.failures == 0


# Sources.


def count(results: Iterator[FrameResult]) -> list[tuple[str, int]]:
    return [(result.frame.stream, result.frame.index) for result in results]


def test_text_paths_and_several_at_once(clip: Path, opened: streamfer.Session) -> None:
    results = count(opened.analyze(str(clip), clip, max_frames=2))
    assert sorted(results) == [("talk", 0), ("talk", 1), ("talk-2", 0), ("talk-2", 1)]


def test_a_path_is_a_path_whatever_its_name_would_mean(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: streamfer.Session
) -> None:
    (tmp_path / "0").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert count(opened.analyze(Path("0"), max_frames=1)) == [("0", 0)]


def test_a_number_is_a_camera(opened: streamfer.Session) -> None:
    with pytest.raises(streamfer.SourceError, match="camera"):
        next(opened.analyze(63, max_reconnects=0))


def test_pictures_with_a_rate_and_with_times(
    portrait: UInt8Array, opened: streamfer.Session
) -> None:
    by_rate = list(opened.analyze([portrait] * 3, name="mine", frame_rate=10))
    assert [round(r.frame.time_s, 3) for r in by_rate] == [0.0, 0.1, 0.2]
    assert {r.frame.stream for r in by_rate} == {"mine"}
    assert [len(r.faces) for r in by_rate] == [1, 1, 1]
    timed = opened.analyze((time_s, portrait) for time_s in (1.0, 1.5))
    assert [r.frame.time_s for r in timed] == [0.0, 0.5]


def test_one_picture_alone_and_gray(portrait: UInt8Array, opened: streamfer.Session) -> None:
    (rgb,) = opened.analyze(portrait)
    (gray,) = opened.analyze(portrait[:, :, 1].copy())
    assert len(rgb.faces) == len(gray.faces) == 1
    assert gray.frame.image.shape == portrait.shape


class OwnSource:
    """Three frames and an event."""

    name = "own"
    live = False

    def __init__(self, picture: UInt8Array) -> None:
        self._picture = picture
        self.closed = False

    def open(self) -> StreamInfo:
        height, width = self._picture.shape[:2]
        return StreamInfo("own", "own source", width, height, live=False)

    def frames(self) -> Iterator[Frame | StreamEvent]:
        for index in range(3):
            if index == 1:
                yield StreamEvent("", "changed", 0.05, details={"why": "a test"})
            yield Frame("", index, index, Fraction(1, 10), index / 10, 0.0, self._picture)

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.closed = True


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.events: list[StreamEvent] = []
        self.closed = 0

    def write(self, result: FrameResult) -> None:
        self.results.append(result)

    def event(self, event: StreamEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1


def test_an_own_source_and_sinks(portrait: UInt8Array, opened: streamfer.Session) -> None:
    source, sink = OwnSource(portrait), Sink()
    calls: list[int] = []
    outcome = opened.run(source, sinks=[sink, lambda result: calls.append(result.frame.index)])
    assert (outcome.interrupted, outcome.failures) == (False, ())
    assert calls == [r.frame.index for r in sink.results] == [0, 1, 2]
    assert [(e.stream, e.event) for e in sink.events] == [("own", "changed")]
    assert (sink.closed, source.closed) == (1, True)


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ((), "no source given"),
        ((3.5,), "got float"),
        ((None,), "got NoneType"),
        ((b"talk.mp4",), "got bytes"),
        ((True,), "got bool"),
        (("nonsense:x",), "unknown kind of source"),
        (("",), "a source is empty"),
    ],
)
def test_wrong_sources_are_refused_when_called(sources: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(streamfer.ConfigError, match=complaint):
        streamfer.analyze(*sources)


def test_a_missing_file_is_said_when_called(tmp_path: Path) -> None:
    with pytest.raises(streamfer.SourceError, match=r"none\.mp4"):
        streamfer.analyze(tmp_path / "none.mp4")


def test_a_name_is_for_one_source() -> None:
    with pytest.raises(streamfer.ConfigError, match="2 sources to name"):
        streamfer.analyze("demo:", "demo:", name="mine")


# Options.


# Results, and their end.


def test_the_pictures_of_results_are_the_caller_s(
    portrait: UInt8Array, tmp_path: Path, opened: streamfer.Session
) -> None:
    results = list(opened.analyze([portrait] * 2, output=tmp_path / "x.mp4"))
    for result in results:
        np.testing.assert_array_equal(result.frame.image, portrait)
    assert (tmp_path / "x.mp4").stat().st_size > 0


def test_leaving_the_loop_or_dropping_the_iterator_stops_everything(
    opened: streamfer.Session,
) -> None:
    for _ in opened.analyze("demo:", loop=1000):
        break
    gc.collect()
    assert analysing() == []
    results = opened.analyze("demo:", loop=1000)
    next(results)
    assert analysing() == ["streamfer.analyze"]
    del results
    gc.collect()
    assert analysing() == []


def test_two_at_a_time_on_one_session(opened: streamfer.Session) -> None:
    both = list(zip(opened.analyze("demo:", loop=9), opened.analyze("demo:"), strict=False))[:5]
    assert [(a.frame.index, b.frame.index) for a, b in both] == [(i, i) for i in range(5)]
    gc.collect()
    assert analysing() == []


def test_a_snapshot_shows_the_run(opened: streamfer.Session) -> None:
    list(opened.analyze("demo:", max_frames=4))
    snapshot = opened.snapshot()
    assert (snapshot.frames, [s.info.stream for s in snapshot.streams]) == (4, ["demo"])


def test_a_failing_sink_ends_the_run_with_its_error(opened: streamfer.Session) -> None:
    def fail(result: FrameResult) -> None:
        raise KeyError("mine")

    with pytest.raises(streamfer.PipelineError) as raised:
        opened.run("demo:", sinks=[fail])
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_sink_must_be_callable(opened: streamfer.Session) -> None:
    with pytest.raises(streamfer.ConfigError, match="sinks: expected callables"):
        opened.run("demo:", sinks=[3])


def test_a_failing_source_is_raised_after_its_results(
    portrait: UInt8Array, opened: streamfer.Session
) -> None:
    results = opened.analyze([portrait, "no picture"])
    assert next(results).frame.index == 0
    with pytest.raises(streamfer.SourceError, match="picture 1"):
        next(results)
    assert list(results) == []


# One picture.


def test_one_picture_from_memory_and_from_a_file(
    portrait: UInt8Array, tmp_path: Path, opened: streamfer.Session
) -> None:
    from PIL import Image

    path = tmp_path / "portrait.png"
    Image.fromarray(portrait).save(path)
    (from_array,) = opened.analyze_image(portrait).faces
    (from_path,) = opened.analyze_image(path).faces
    (from_text,) = opened.analyze_image(str(path)).faces
    assert from_array.emotion == from_path.emotion == from_text.emotion == "happy"
    np.testing.assert_allclose(from_array.probs, from_path.probs, atol=1e-5)
    np.testing.assert_array_equal(from_array.probs, from_array.smoothed)


@pytest.mark.parametrize("wrong", [None, 0, 3.5, "demo:", [1, 2]])
def test_what_is_no_picture_is_refused(wrong: Any, opened: streamfer.Session) -> None:
    with pytest.raises(streamfer.ConfigError, match="expected a picture or the path of one file"):
        opened.analyze_image(wrong)


def test_a_wrong_array_is_refused(opened: streamfer.Session) -> None:
    with pytest.raises(streamfer.SourceError, match="got an array"):
        opened.analyze_image(np.zeros((4, 4, 3)))  # type: ignore[arg-type]


# Where it runs.


def test_an_array_source_is_a_source() -> None:
    source: streamfer.Source = ArraySource([], "mine")
    assert source.name == "mine"
