"""Whole files of kinds that have broken readers before, to be damaged at random."""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image, ImageCms

from tests.support.clips import ClipSpec, make_clip, numbered_picture
from tests.support.heif_files import write_grid
from tests.support.shared import SHARED

SIZE_WH = (96, 64)


def pictures(folder: Path) -> list[tuple[str, bytes]]:
    """Suffix and content: colour profiles, tiles, a second picture behind the first, animations."""
    shown = [Image.fromarray(numbered_picture(number, SIZE_WH)) for number in (3, 5)]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = []
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("TIFF", ".tiff")):
        found.append((suffix, _saved(shown[:1], kind, icc_profile=profile)))
    found.append((".png", _saved([shown[0].convert("L")], "PNG", icc_profile=profile)))
    found.append((".apng", _saved(shown, "PNG", icc_profile=profile, duration=100)))
    found.append((".webp", _saved(shown, "WEBP", duration=100)))
    found.append((".gif", _saved(shown, "GIF", duration=100)))
    found.append((".jpg", _saved(shown, "MPO")))
    tiled = folder / "tiles.avif"
    write_grid(tiled, numbered_picture(3, SIZE_WH), 64, quarter_turns=1, mirror=1)
    found.append((".avif", tiled.read_bytes()))
    phones = [(".heic", "tiles.heic"), (".jpg", "gain_map.jpg"), (".webp", "erased_by_alpha.webp")]
    found += [
        (suffix, (SHARED / "cases" / name).read_bytes())
        for suffix, name in phones
        if (SHARED / "cases" / name).exists()
    ]
    return found


def _saved(images: list[Image.Image], kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    several = {"save_all": True, "append_images": images[1:]} if len(images) > 1 else {}
    images[0].save(content, kind, **several, **options)
    return content.getvalue()


def recordings(folder: Path) -> list[bytes]:
    """Seconds of transport streams with sound whose clocks begin anywhere, to be put together."""
    made = []
    for begins_s in (0.0, 10.0, 90.0, 30_000.0, 95_443.0):
        options = {"output_ts_offset": str(begins_s), "muxdelay": "0"}
        spec = ClipSpec(frames=4, audio="libmp3lame", container_options=options)
        made.append(make_clip(folder / f"from-{begins_s}.ts", spec).read_bytes())
    return made


SECRET = "hunter2Gx"
"""A password that must not be seen anywhere."""
_SCHEMES = (
    *("rtsp", "rtsps", "http", "https", "RTSP", "hTTp") * 2,
    "srt",
    "udp",
    "rtmp",
    "ftp",
    "file",
)
_SIGNS = "@:/?#&=%+;,!$'()*[]{}|\\^`~<>\" \t\n.-_0aé日🙂\udcff\x00\x1b"


def address(rng: random.Random) -> str:
    """An address of this machine, where nobody answers, with a password and signs out of place."""
    odd = ["".join(rng.choices(_SIGNS, k=rng.randrange(4))) for _ in range(4)]
    host = rng.choice(("127.0.0.1", "[::1]", "127.0.0.1:", "127.1", "[::", "127.0.0.1:99999"))
    port = rng.choice((":1", ":1", ":1", "", ":0", ":-1", ":x"))
    slashes = rng.choice(("://", "://", "://", ":/", ":", ":///"))
    places = (
        f"{odd[0]}user{odd[1]}:{odd[2]}{SECRET}{odd[3]}@{host}{port}/",
        f"{host}{port}/{odd[0]}user=a&password={SECRET}{odd[1]}",
        f"{host}{port}/{odd[0]}?{odd[1]}&pwd={SECRET}&{odd[2]}",
        f"u:{SECRET}@{host}{port}/{odd[0]}/../{odd[1]}.m3u8#{odd[2]}",
    )
    return rng.choice(_SCHEMES) + slashes + rng.choice(places)


def name(rng: random.Random) -> bytes:
    """A file's name, as far as a file system allows any, without its suffix."""
    pieces = (
        *(b"talk", b" ", b"-", b"--output", b"%03d", b"%", b"{stream}", b"{", b"}", b"*", b"?"),
        *(b"\xff\xfe", b"\xc3", b"\n", b"\r", b"\t", b"\x1b[31m", b"\x7f", b"'", b'"', b"$HOME"),
        *(b"~", b"\\", b":", b"rtsp:", b"0", b"camera:0", b"demo:", b"#", b"&", b";", b"|", b"<"),
        *(b"[1]", b".", b"..", "日本語".encode(), "עברית".encode(), "🙂".encode(), b"a" * 120),
        *("e\u0301".encode(), "\u202e".encode()),
    )
    return b"".join(rng.choices(pieces, k=rng.randint(1, 5)))[:200] or b"x"
