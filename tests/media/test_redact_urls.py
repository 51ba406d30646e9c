"""Addresses made by lot: whatever holds a secret, and however it is typed, it shows nowhere."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest

from streamfer.errors import StreamferError
from streamfer.media.redact import redact_text
from streamfer.media.sources.source_list import expand_sources

_LETTERS = string.ascii_letters + string.digits
_SIGNS = "!$'()*+,-.:;~^|@/#?_"
_NAMES = (
    *("p", "psw", "pwd", "pass", "passwd", "password", "passphrase", "code", "verifyCode", "pin"),
    *("loginpas", "auth", "token", "access_token", "X-Amz-Signature", "apikey", "key", "secret"),
    *("sid", "user", "usr", "streamid", "Policy"),
)
_HOSTS = ("cam", "10.0.0.7", "[2001:db8::1]", "cam.example.org:8554")


def _secret(chance: random.Random, signs: str) -> str:
    """A password whose both halves can be told from everything else in an address."""
    halves = ("".join(chance.choices(_LETTERS, k=6)) for _ in range(2))
    return chance.choice([*signs, ""]).join(halves)


def _in_user_info(chance: random.Random) -> tuple[str, str]:
    secret = _secret(chance, _SIGNS)
    shown = chance.choice([secret, quote(secret, safe="")])
    return secret, f"rtsp://admin:{shown}@{chance.choice(_HOSTS)}/live/{chance.randrange(9)}"


def _in_a_pair(chance: random.Random) -> tuple[str, str]:
    secret, name = _secret(chance, "!$()*+,-.~"), chance.choice(_NAMES)
    queries = ["{h}?{n}={s}", "{h}?x=1&{n}={s}&y=2", "{h}#{n}={s}", "{h}?x=1;{n}={s}"]
    paths = ["{h}channel=1&{n}={s}", "{h}channel=1_{n}={s}_a=0", "{h}{n}={s}/1.sdp", "{h}{n}%3D{s}"]
    shape = chance.choice(queries + paths)
    host = f"http://{chance.choice(_HOSTS)}/"
    return secret, shape.format(h=host, n=chance.choice([name, name.upper()]), s=secret)


def _as_a_token(chance: random.Random) -> tuple[str, str]:
    alphabet = chance.choice(["0123456789abcdef", _LETTERS])
    secret = "".join(chance.choices(alphabet, k=chance.randrange(24, 64)))
    shape = chance.choice(["live/{}/index.m3u8", "{}", "a?v={}&y=2", "live?{}"])
    return secret, f"http://{chance.choice(_HOSTS)}/{shape.format(secret)}"


@pytest.mark.parametrize("make", [_in_user_info, _in_a_pair, _as_a_token])
def test_no_secret_shows_in_label_name_or_error(
    make: Callable[[random.Random], tuple[str, str]],
) -> None:
    chance = random.Random(16)
    for _ in range(2000):
        secret, url = make(chance)
        shown = [redact_text(f"[Errno 5] Input/output error: '{url}'")]
        try:
            spec, _ = expand_sources([url, "demo:"])
            shown += [spec.label, spec.name, repr(spec)]
        except StreamferError as error:
            shown.append(str(error))
        for text in shown:
            for part in (secret, secret[:6], secret[-6:]):
                assert part not in text, (url, text)
