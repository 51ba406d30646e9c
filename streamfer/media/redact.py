"""Takes the credentials out of URLs and out of texts that hold URLs.

It goes by structure: user info, pairs of a telling name and a value anywhere behind the scheme, and
what looks drawn by lot. It errs on the safe side: where a text can be read in two ways, it hides
more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import unquote

MASK = "***"

_NAME = r"[a-z0-9+.\-]"
_NAME_START = rf"(?<!{_NAME})"
"""Nothing is tried again from within a name: whoever sends a long one would stop the program."""
_ANY_SCHEME = (
    rf"{_NAME_START}[0-9+.\-]*+([a-z]{_NAME}*+\\*+:(?:\\*+/){{2,}})"
    r"|\b((?:rtsp[su]?|rtmps?|https?|srt|udp|tcp|tls|rtp):/?)"
)
_SCHEME = re.compile(_ANY_SCHEME, re.IGNORECASE)
"""Any `scheme://`, escaped as in a filter graph or not; the network schemes also with slashes
forgotten."""
_SCHEME_BEFORE_AT = re.compile(
    rf"{_ANY_SCHEME}|{_NAME_START}(?>{_NAME}*?\b(?=[a-z]{_NAME}))({_NAME}++:/)", re.IGNORECASE
)
"""Where an `@` follows, others too with one slash, as paths have them."""
_AUTHORITY = re.compile(r"[^/?#\s]*")
_PORT_BACKWARDS = r"[\"'`:;,.)\]]*\d{0,5}:"
_TOKEN = re.compile(r"\S*")
_MASKED = r"(?!\*{3}[^\w\s]{0,16}(?:\s|$))"
"""Not what is masked already, whose colon belongs to the text around it."""
_PAIR = re.compile(rf"([^=&/?#;,:\s]+)(?:=|%3d){_MASKED}(?=[^&\s])", re.IGNORECASE)
"""Up to its value."""
_VALUE = re.compile(r"[^&\s]*")
_TO_NEXT_NAME = re.compile(r"[^=&/?#;,:\s]*[=&/?#;,:\s]*")
_SECRET_PART = re.compile(
    r"pass|pwd|psw|psd|pw|token|secret|auth|key|sig|cred|sess|user|usr|login|jwt|sid|streamid|hdn"
    r"|policy|hash|hmac|digest|ticket|nonce|account|access|code$",
    re.IGNORECASE,
)
"""What makes a name telling wherever it stands in it."""
_SECRET_WORDS = frozenset({"p", "ps", "pp", "u", "un", "up", "s", "k", "st", "pin", "otp", "md5"})
"""Names that are telling as whole words only: `p` of `1_p`, not of `fps`."""
_NAMED_PIECE = re.compile(
    r"((?<=/)(?:pass(?:word|wd|phrase|code)?|pwd|psw|pw|secret|[a-z]*token|[a-z]*key)[/:])[^/?#\s]+",
    re.IGNORECASE,
)
"""A pair made with a slash or a colon, `/password/…`."""
_ACCOUNT_PATH = re.compile(
    r"((?<=/)(?:live|movie|series|timeshift)/)[^/\s]+/[^/\s]+(?=/\d)", re.IGNORECASE
)
"""Television servers: `/live/USER/PASSWORD/1.ts`."""
_STRONG_PAIR = re.compile(
    r"((?:passw(?:or)?d|passphrase|passcode|loginpas|pwd|psw|secret|token)\s*=\s*)"
    rf"{_MASKED}[^&\s]+",
    re.IGNORECASE,
)
"""Masked outside of URLs too: addresses are typed without a scheme."""
_PIECE = re.compile(r"(?:[A-Za-z0-9_+~\-]++|%[0-9A-Fa-f]{2})++")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_SHORTEST_TOKEN = 16
"""Characters below which nothing is taken for drawn by lot."""
_MOST_RUNS = 4
"""Of letters and of digits in a part that people named: `h264Preview` has three."""
_KEY_GROUPS = re.compile(r"(?:[a-z0-9]{4}-){3,}[a-z0-9]{4}", re.IGNORECASE)
"""Stream keys of the large platforms."""
_ACCOUNT = re.compile(r"(?<![\w.+%-])(?!mailto:)(?:[^\W\d][\w.+%-]+|\d{4,}):(?!/|\*{3}(?:@|$))")
"""A user's name and a colon; neither a drive, `C:`, nor a time, `12:30`."""
_AT_HOST = re.compile(r"@(?=\[|[\w-]+(?:[/:]|(?:\.[\w-]+)+))")
"""Of an address rather than of any text: the host has a path, a port or a domain."""
_QUERY = re.compile(r"\?[^\W\d][\w.%-]*=\S*")
_ENCODED_URL = re.compile(
    r"(?<![^&\s])([^&\s=]*+=)(?>[^&\s]*?%3a(?:%2f|/){2})(?>[^&\s]*?(?:%40|@))[^&\s]*+",
    re.IGNORECASE,
)
_HEADER = re.compile(r"((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)


def redact_url(url: str) -> str:
    """The URL with its user info, its secret values and its tokens replaced by `***`.

    What holds no URL, such as a path, comes back as it is, but for `password=…`.
    """
    if next(_schemes(url), None) is not None:
        url = re.sub(r"\s", "%20", url)
    return redact_text(url)


def redact_text(text: str) -> str:
    """A text, such as an error message, with the credentials of every URL in it replaced.

    `Authorization` headers lose their value too.
    """
    text = _HEADER.sub(rf"\1{MASK}", text)
    places = [scheme.span(scheme.lastindex or 0) for scheme in _schemes(text)]
    shown = text[: places[0][0]] if places else text
    for (start, end), (following, _) in pairwise([*places, (len(text), 0)]):
        shown += text[start:end] + _redact_after_scheme(text[end:following])
    return _STRONG_PAIR.sub(rf"\1{MASK}", _redact_without_scheme(shown))


def redact_error(error: BaseException) -> None:
    """Takes the credentials out of an exception, which tracebacks show as another's cause."""
    error.args = tuple(redact_text(a) if isinstance(a, str) else a for a in error.args)


def _schemes(text: str) -> Iterator[re.Match[str]]:
    """Where URLs begin; the scheme is the only group."""
    for token in re.finditer(r"\S+", text):
        last_at = max(text.rfind("@", *token.span()), token.start())
        yield from _SCHEME_BEFORE_AT.finditer(text, token.start(), last_at)
        yield from _SCHEME.finditer(text, last_at, token.end())


def _redact_without_scheme(text: str) -> str:
    """What addresses hold whose scheme was forgotten: `user:password@host/`, `?user=…&pwd=…`."""
    text = re.sub(r"\S+", lambda token: _redact_account(token.group()), text)
    return _QUERY.sub(lambda query: _redact_pairs(query.group()), text)


def _redact_account(token: str) -> str:
    account = _ACCOUNT.search(token) if "@" in token else None
    if account is None:
        return token
    hosts = [host.start() for host in _AT_HOST.finditer(token, account.end())]
    return f"{token[: account.start()]}{MASK}{token[hosts[-1] :]}" if hosts else token


def _redact_after_scheme(text: str) -> str:
    cut = _user_info_end(text)
    if cut:
        text = f"{MASK}@{text[cut:]}"
    url = _match(_TOKEN, text)
    rest = text[len(url) :]
    host = _match(_AUTHORITY, url)
    return _redact_pairs(host) + _redact_path(url[len(host) :]) + rest


def _redact_path(path: str) -> str:
    """What stands behind the host, without its secret parts."""
    path = _ENCODED_URL.sub(rf"\1{MASK}", _redact_pairs(path))
    path = _NAMED_PIECE.sub(rf"\1{MASK}", _ACCOUNT_PATH.sub(rf"\1{MASK}", path))
    return _PIECE.sub(lambda piece: MASK if _drawn_by_lot(piece.group()) else piece.group(), path)


def _redact_pairs(text: str) -> str:
    """The text with the value of every `name=value` masked whose name is telling."""
    shown, told, position = "", 0, 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            position += len(_match(_TO_NEXT_NAME, text, position))
        elif not _is_telling(unquote(pair.group(1))):
            position = pair.end()
        else:
            shown += text[told : pair.end()] + MASK
            told = position = pair.end() + len(_match(_VALUE, text, pair.end()))
    return shown + text[told:]


def _is_telling(name: str) -> bool:
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return bool(_SECRET_PART.search(name)) or not _SECRET_WORDS.isdisjoint(words)


def _drawn_by_lot(piece: str) -> bool:
    """Whether a part of a path or query looks like a key that a machine made."""
    plain = _ESCAPE.sub("", piece)
    if len(plain) < _SHORTEST_TOKEN:
        return False
    if _KEY_GROUPS.fullmatch(plain):
        return True
    return any(len(_RUN.findall(part)) > _MOST_RUNS for part in re.split(r"[-_+~]+", plain))


def _user_info_end(text: str) -> int:
    """Where the host begins behind `user:password@`; 0 where there is no user info.

    Passwords typed as they are may hold `/`, `?`, `#`, `@` and blanks. So an `@` with a colon, or
    with another `@` in the host's place, before it is taken for the end of the password.
    """
    authority, token = _match(_AUTHORITY, text), _match(_TOKEN, text)
    before = token.rpartition("@")[0]
    if "@" in authority or ":" in before:
        return len(before) + 1
    at_port = _ends_in_port(authority)
    within = token if ":" in authority and not at_port else authority
    encoded = within.lower().rfind("%40")
    if encoded >= 0:
        return encoded + len("%40")
    line = text.partition("\n")[0]
    if ":" in authority and "@" in line and not at_port:
        return line.index("@") + 1
    return 0


def _ends_in_port(authority: str) -> bool:
    """Whether it is `host:port`, up to signs of the text around it.

    Read backwards, as only one way leads from there to the port.
    """
    host_end = r"[^:]" if authority.startswith("[") else r"[^:\]]"
    return re.match(_PORT_BACKWARDS + host_end, authority[::-1]) is not None


def _match(pattern: re.Pattern[str], text: str, position: int = 0) -> str:
    found = pattern.match(text, position)
    assert found is not None  # these patterns match the empty text
    return found.group()
