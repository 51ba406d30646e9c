"""Takes the credentials out of URLs and out of texts that hold URLs.

It errs on the safe side: where a text can be read in two ways, it hides more.
"""

from __future__ import annotations

import re

MASK = "***"

_SCHEME = re.compile(
    r"([a-z][a-z0-9+.\-]*\\*:(?:\\*/){2,}|\b(?:rtsp[su]?|rtmps?|https?|srt|udp|tcp|tls|rtp):/?)",
    re.IGNORECASE,
)
"""Any `scheme://`, escaped as in a filter graph or not, and the network schemes also with slashes
forgotten."""
_AUTHORITY = re.compile(r"[^/?#\s]*")
_PORT = re.compile(r"(?:.*[^:\]]|\[.*\]):\d{0,5}[\"'`:;,.)\]]*")
_TOKEN = re.compile(r"\S*")
_SECRET_VALUE = re.compile(
    r"((?:pass|pwd|pw|token|secret|auth|key|sig|cred|sess|user|usr|login|jwt|sid|streamid|hdn|policy)"
    r"[^=&/\s]*=)[^&\s]+",
    re.IGNORECASE,
)
_ENCODED_URL = re.compile(r"=[^&\s]*%3a(?:%2f|/){2}[^&\s]*(?:%40|@)[^&\s]*", re.IGNORECASE)
_HEADER = re.compile(r"((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)


def redact_url(url: str) -> str:
    """The URL with its user info and its secret query values replaced by `***`.

    What holds no URL, such as a path, comes back as it is.
    """
    if _SCHEME.search(url):
        url = re.sub(r"\s", "%20", url)
    return redact_text(url)


def redact_text(text: str) -> str:
    """A text, such as an error message, with the credentials of every URL in it replaced.

    `Authorization` headers lose their value too.
    """
    head, *rest = _SCHEME.split(_HEADER.sub(rf"\1{MASK}", text))
    schemes, remainders = rest[::2], rest[1::2]
    return head + "".join(
        scheme + _redact_after_scheme(remainder)
        for scheme, remainder in zip(schemes, remainders, strict=True)
    )


def _redact_after_scheme(text: str) -> str:
    cut = _user_info_end(text)
    if cut:
        text = f"{MASK}@{text[cut:]}"
    url = _match(_TOKEN, text)
    redacted = _ENCODED_URL.sub(f"={MASK}", _SECRET_VALUE.sub(rf"\1{MASK}", url))
    return redacted + text[len(url) :]


def _user_info_end(text: str) -> int:
    """Where the host begins behind `user:password@`; 0 where there is no user info.

    Passwords typed as they are may hold `/`, `?`, `#`, `@` and blanks. So where the part before
    the first slash holds a colon, an `@` further on is taken for the end of the password.
    """
    authority = _match(_AUTHORITY, text)
    encoded = authority.lower().rfind("%40")
    if "@" in authority:
        return authority.rindex("@") + 1
    token = _match(_TOKEN, text)
    if ":" in authority and "@" in token:
        return token.rindex("@") + 1
    if encoded >= 0:
        return encoded + len("%40")
    line = text.partition("\n")[0]
    if ":" in authority and "@" in line and not _PORT.fullmatch(authority):
        return line.index("@") + 1
    return 0


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    assert found is not None  # both patterns match the empty text
    return found.group()
