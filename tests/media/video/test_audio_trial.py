"""Sound of every kind into every container that is written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.media.verify.outputs import verify_outputs
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file
from tests.support.written import copy_stream, frame_times

_KINDS = [
    (".avi", "pcm_s16le"),
    (".avi", "pcm_u8"),
    (".avi", "adpcm_ms"),
    (".mov", "pcm_s16be"),
    (".mov", "pcm_mulaw"),
    (".mov", "alac"),
    (".mkv", "pcm_s24le"),
    (".mkv", "pcm_f32le"),
    (".mkv", "flac"),
    (".mkv", "vorbis"),
    (".mkv", "wavpack"),
]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("channels", ["mono", "stereo"])
@pytest.mark.parametrize(("container", "codec"), _KINDS)
def test_sound_of_every_kind_arrives(
    tmp_path: Path, container: str, codec: str, channels: str, suffix: str
) -> None:
    try:
        clip = _clip(tmp_path / f"in{container}", codec, channels)
    except (ValueError, av.FFmpegError):
        pytest.skip(f"FFmpeg's encoder makes no {channels} {codec}")
    path = tmp_path / f"out{suffix}"
    copy_stream(clip, path)
    assert len(frame_times(path)) == 10
    with av.open(str(path)) as written:
        samples = sum(frame.samples for frame in written.decode(audio=0))
        assert samples / written.streams.audio[0].rate == pytest.approx(0.5, abs=0.06)
    assert verify_outputs(clip, path, None) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_camcorders_stereo_pcm(tmp_path: Path, suffix: str) -> None:
    clip = shared_file("cases/stereo_pcm.avi")
    path = tmp_path / f"out{suffix}"
    writer = copy_stream(clip, path)
    assert verify_outputs(clip, path, None) == []
    assert bool(writer.notes) == (suffix == ".mp4")


def _clip(path: Path, codec: str, layout: str) -> Path:
    """Copies ten frames of video and puts half a second of noise beside them."""
    video = make_clip(
        path.with_name("video.mkv"), ClipSpec(frames=10, codec="mjpeg", pix_fmt="yuvj420p")
    )
    rate = 44_100
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, rate // 2)).astype(np.float32)
    with av.open(str(video)) as source, av.open(str(path), "w") as output:
        pictures = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream(codec, rate=rate, layout=layout)
        sound.codec_context.options = {"strict": "experimental"}
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = pictures
                output.mux(packet)
        samples = noise[: 1 if layout == "mono" else 2]
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path
