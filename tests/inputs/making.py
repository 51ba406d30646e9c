"""Makes small files of every kind that the installed FFmpeg and Pillow can make."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from streamfer.media.video.priority import ordinary_priority
from tests.support.clips import ClipSpec, make_clip, numbered_picture

FRAMES = 6
"""Of every video."""
SECONDS_OF_SOUND = 0.5

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".vob", ".flv", ".3gp", ".wmv"),
    *(".mxf", ".nut", ".ogv", ".rm", ".gxf", ".wtv", ".swf", ".ivf"),
)
"""Containers of several codecs; those of one are in RAW."""

RAW: dict[str, str] = {
    "libx264": ".h264",
    "libx265": ".hevc",
    "mpeg1video": ".m1v",
    "mpeg2video": ".m2v",
    "mjpeg": ".mjpg",
    "dvvideo": ".dv",
    "gif": ".gif",
    "apng": ".apng",
    "vc2": ".drc",
    "libsvtav1": ".obu",
    "rawvideo": ".y4m",
    "h263": ".h263",
    "dnxhd": ".dnxhd",
    "libwebp_anim": ".webp",
}
"""Files that hold nothing but the codec's own stream."""

VIDEO_CODECS = (
    *("libx264", "libx264rgb", "libx265", "libsvtav1", "libvpx", "libvpx-vp9", "mpeg4"),
    *("mpeg2video", "mpeg1video", "h261", "h263", "h263p", "flv", "msmpeg4v2", "msmpeg4", "wmv1"),
    *("wmv2", "rv10", "rv20", "mjpeg", "ljpeg", "jpeg2000", "dvvideo", "dnxhd", "prores_ks"),
    *("cfhd", "ffv1", "ffvhuff", "huffyuv", "utvideo", "magicyuv", "rawvideo", "v210", "r210"),
    *("png", "apng", "gif", "qtrle", "rpza", "cinepak", "svq1", "snow", "dirac", "vc2", "asv1"),
    *("flashsv", "zmbv", "msvideo1", "msrle", "amv", "roqvideo", "tiff", "bmp", "libwebp_anim"),
)

_SIZES = {"dvvideo": (720, 576), "dnxhd": (1280, 720), "roqvideo": (128, 128)}
_FULL_RANGE = frozenset({"mjpeg", "ljpeg", "amv"})
_SIZE = (176, 144)  # one of those that H.261 and H.263 know
_OPTIONS = {
    "dnxhd": {"b": "90M"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
}

SOUND_CODECS = (
    *("aac", "ac3", "eac3", "libmp3lame", "mp2", "libopus", "vorbis", "flac", "alac", "wavpack"),
    *("tta", "wmav1", "wmav2", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le"),
    *("pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "adpcm_ms"),
    *("adpcm_ima_wav", "adpcm_ima_qt", "adpcm_swf", "g726", "nellymoser", "libopencore_amrnb"),
)
_BESIDE_SOUND = {".mpg": "mpeg2video", ".vob": "mpeg2video", ".flv": "flv", ".wmv": "wmv2"}
_RATES = {"g726": 8000, "libopencore_amrnb": 8000, "nellymoser": 44100, "adpcm_swf": 44100}
SOUND_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".flv", ".wmv", ".ts", ".mpg", ".vob", ".3gp")
"""Tried in turn: the first that carries the sound holds it."""

PIXEL_FORMATS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p", "yuv440p", "yuvj420p", "yuvj444p"),
    *("yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv444p16le", "nv12", "yuyv422", "uyvy422"),
    *("gray", "gray10le", "gray16le", "monow", "monob", "rgb24", "bgr24", "rgb48le", "rgb565le"),
    *("rgb555le", "gbrp", "gbrp10le", "gbrp16le", "gbrpf32le", "grayf32le", "rgba", "bgra"),
    *("argb", "rgba64le", "gbrap", "yuva420p", "yuva444p10le", "ya8", "ya16le", "pal8", "p010le"),
    *("bayer_rggb8", "xyz12le"),
)

STILL_KINDS = (
    *("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "TGA", "ICO", "JPEG2000"),
    *("PCX", "SGI", "DDS", "MPO"),
)
STILL_MODES = ("L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK")
_STILL_SUFFIXES = {"JPEG": ".jpg", "JPEG2000": ".jp2"}
STILL_CODECS = {
    "pam": ".pam",
    "pgm": ".pgm",
    "pfm": ".pfm",
    "phm": ".phm",
    "dpx": ".dpx",
    "exr": ".exr",
    "hdr": ".hdr",
    "qoi": ".qoi",
    "jpegls": ".jls",
    "sunrast": ".ras",
    "xwd": ".xwd",
    "xbm": ".xbm",
    "fits": ".fits",
}
"""Encoders of FFmpeg for what Pillow does not write."""


def has_encoder(name: str) -> bool:
    """Whether FFmpeg has it here."""
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


def make_video(
    path: Path, codec: str, pix_fmt: str | None = None, audio: str | None = None
) -> bool:
    """Writes `FRAMES` frames, and sound where an encoder for it is named.

    Returns:
        Whether FFmpeg can; a file of this kind is not made otherwise.
    """
    spec = ClipSpec(
        frames=FRAMES,
        size=_SIZES.get(codec, _SIZE),
        fps=Fraction(25),
        codec=codec,
        pix_fmt=pix_fmt or _pixel_format(codec),
        audio=audio,
        audio_s=SECONDS_OF_SOUND if audio else None,
        color_range=2 if codec in _FULL_RANGE else None,
        options=_OPTIONS.get(codec, {}),
    )
    try:
        with ordinary_priority():
            make_clip(path, spec)
        with av.open(path) as container:  # some muxers write what nobody can read
            next(container.decode(container.streams.video[0]))
    except (av.error.FFmpegError, ValueError, IndexError, StopIteration, AttributeError):
        path.unlink(missing_ok=True)
        return False
    return True


def make_sound(folder: Path, codec: str, layout: str) -> Path | None:
    """A video with sound of this kind, in the first container that carries it; None where none
    does."""
    for suffix in SOUND_SUFFIXES:
        path = folder / f"sound{suffix}"
        video = _BESIDE_SOUND.get(suffix, "mpeg4")
        try:
            _write_with_sound(path, video, codec, layout)
            with av.open(path) as container:
                if container.streams.audio and container.streams.audio[0].codec_context:
                    return path
        except (av.error.FFmpegError, ValueError, AttributeError):
            path.unlink(missing_ok=True)
    return None


def _write_with_sound(path: Path, video_codec: str, codec: str, layout: str) -> None:
    rates = av.Codec(codec, "w").audio_rates or [_RATES.get(codec, 48000)]
    rate = 48000 if 48000 in rates else max(rates)
    with av.open(path, "w") as output:
        video = output.add_stream(video_codec, rate=25)
        video.width, video.height = _SIZE
        video.pix_fmt = "yuv420p"
        audio = output.add_stream(codec, rate=rate, layout=layout)
        if codec.startswith("wma"):
            audio.bit_rate = 64_000  # they know no other way to be told the quality
        for number in range(round(SECONDS_OF_SOUND * 25)):
            picture = numbered_picture(number, _SIZE)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        output.mux(video.encode(None))
        times = np.arange(round(SECONDS_OF_SOUND * rate)) / rate
        wave = (np.sin(times * 2 * np.pi * 440) * 8000).astype(np.int16)
        channels = len(audio.codec_context.layout.channels)
        samples = np.repeat(wave, channels)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(audio.encode(frame))
        output.mux(audio.encode(None))


def _pixel_format(codec: str) -> str:
    formats = [known.name for known in av.Codec(codec, "w").video_formats or ()]
    if not formats or "yuv420p" in formats:
        return "yuv420p"
    return "yuv422p" if codec in ("dnxhd", "magicyuv") and "yuv422p" in formats else formats[0]


def still_pictures(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Kind, mode and file of every picture that Pillow or FFmpeg writes."""
    shown = Image.fromarray(numbered_picture(3, _SIZE))
    for kind in STILL_KINDS:
        for mode in STILL_MODES:
            path = folder / f"still{_STILL_SUFFIXES.get(kind, f'.{kind.lower()}')}"
            if _write_still(path, _in_mode(shown, mode), kind):
                yield path.suffix, mode, path
    for codec, suffix in STILL_CODECS.items():
        path = folder / f"still{suffix}"
        if has_encoder(codec) and _encode_still(path, codec):
            yield suffix, _pixel_format(codec), path


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        gray = np.asarray(image.convert("L"), np.uint16) * 257
        return Image.fromarray(gray)
    if mode in ("RGBA", "LA"):
        image = image.copy()
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image.convert(mode)


def _write_still(path: Path, image: Image.Image, kind: str) -> bool:
    content = io.BytesIO()
    try:
        if kind == "MPO":
            image.save(content, kind, save_all=True, append_images=[image])
        else:
            image.save(content, kind)
    except (OSError, ValueError, KeyError):  # not every kind has every mode
        return False
    if kind == "MPO":
        path.write_bytes(content.getvalue())
        return True
    written = Image.open(io.BytesIO(content.getvalue()))
    if written.mode != image.mode and not (kind == "PPM" and image.mode == "I;16"):
        return False  # another mode stands in for it, which has a column of its own
    path.write_bytes(content.getvalue())
    return True


def _encode_still(path: Path, codec: str) -> bool:
    try:
        context = av.CodecContext.create(codec, "w")
        context.width, context.height = _SIZE
        context.pix_fmt, context.time_base = _pixel_format(codec), Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(numbered_picture(3, _SIZE))
        frame = frame.reformat(format=context.pix_fmt)
        frame.pts = 0
        packets = [*context.encode(frame), *context.encode(None)]
    except (av.error.FFmpegError, ValueError):
        return False
    path.write_bytes(b"".join(map(bytes, packets)))
    return True
