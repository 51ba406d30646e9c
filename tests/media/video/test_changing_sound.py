"""Sound that is made anew while its format changes, as at the borders of television programmes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.media.verify.outputs import verify_outputs
from tests.support.clips import numbered_picture
from tests.support.written import copy_stream, frame_times

Format = tuple[str, int]
"""Layout, and samples per second."""
STEREO, MONO, MONO_32 = ("stereo", 48_000), ("mono", 48_000), ("mono", 32_000)
SURROUND = ("5.1", 48_000)
CLICK = 12
"""With which picture of its second each part clicks."""


def programme(
    path: Path, codec: str, begin_s: int, form: Format, options: Mapping[str, str]
) -> bytes:
    """A second of a transport stream with silence, and a click in its middle."""
    layout, rate = form
    with av.open(str(path), "w", format="mpegts", container_options=dict(options)) as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "10"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = output.add_stream(codec, rate=rate, layout=layout)
        step = rate // 25
        for number in range(25):
            picture = av.VideoFrame.from_ndarray(numbered_picture(number, (96, 64)))
            picture = picture.reformat(format="yuv420p", threads=1)
            picture.pts, picture.time_base = begin_s * 25 + number, Fraction(1, 25)
            output.mux(video.encode(picture))
            samples = np.zeros((step, len(av.AudioLayout(layout).channels)), np.int16)
            if number == CLICK:
                samples[:40] = 30_000
            block = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", layout)
            block.sample_rate, block.time_base = rate, Fraction(1, rate)
            block.pts = begin_s * rate + number * step
            output.mux(sound.encode(block))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    return path.read_bytes()


def programmes(folder: Path, codec: str, *forms: Format, **options: str) -> Path:
    path = folder / "in.ts"
    parts = [
        programme(folder / "part.ts", codec, number, form, options)
        for number, form in enumerate(forms)
    ]
    path.write_bytes(b"".join(parts))
    return path


def clicks_s(path: Path) -> list[float]:
    """When a file is loudest in each of its seconds."""
    loudest: dict[int, tuple[float, float]] = {}
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            level = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            place = int(level.argmax())
            moment = float(level[place]), frame.time + place / frame.sample_rate
            second = int(frame.time)
            loudest[second] = max(loudest.get(second, moment), moment)
    return [time_s for level, time_s in loudest.values() if level > 0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("codec", "forms", "options"),
    [
        ("mp2", [STEREO, MONO, MONO_32, STEREO], {}),
        ("mp2", [MONO, STEREO], {}),
        ("aac", [STEREO, SURROUND, STEREO], {"mpegts_flags": "latm"}),
    ],
    ids=["to mono, to fewer samples, and back", "to stereo", "to surround and back"],
)
def test_pictures_and_sound_go_on_in_step(
    tmp_path: Path, codec: str, forms: list[Format], options: dict[str, str], suffix: str
) -> None:
    clip, path = programmes(tmp_path, codec, *forms, **options), tmp_path / f"out{suffix}"
    writer = copy_stream(clip, path)
    assert len(frame_times(path)) == 25 * len(forms)
    assert clicks_s(path) == pytest.approx(clicks_s(clip), abs=0.002)
    assert len(clicks_s(path)) == len(forms)
    assert not any("damaged" in note for note in writer.notes)
    assert verify_outputs(clip, path, None) == []


def test_sound_that_cannot_be_converted_costs_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        frames = 0

        def __init__(self, *target: object) -> None:
            self._real = av.AudioResampler(*target)

        def resample(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
            self.frames += 1
            if self.frames == 20:
                raise ValueError("Frame does not match AudioResampler setup.")
            return self._real.resample(frame)

    monkeypatch.setattr("streamfer.media.video.audio_track.AudioResampler", Refusing)
    path = tmp_path / "out.mp4"
    writer = copy_stream(programmes(tmp_path, "mp2", STEREO), path)
    assert len(frame_times(path)) == 25
    assert "damaged audio packets left out: 1" in writer.notes
