"""The page's files as one classic script: browsers load no modules from disk."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

_SHARED = ("drawing.js", "curves.js")
"""Written for the live page, in the order in which they need each other."""
_OWN = ("chunks.js", "strips.js", "report.js")
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class)\s+(\w+))", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:const|function|class)\s+(\w+)", re.MULTILINE)


def script() -> str:
    """All of the page's JavaScript."""
    rooms = files("streamfer.app")
    parts = ['"use strict";', "const modules = {};"]
    for room, names in (("web", _SHARED), ("report", _OWN)):
        for name in names:
            text = (rooms / room / "static" / name).read_text("utf-8")
            parts.append(_module(name, text))
    return "\n".join(parts) + "\n"


def _module(name: str, text: str) -> str:
    exported = ", ".join(_EXPORTED.findall(text))
    body = _IMPORT.sub(r'const \1 = modules["\2"];', text)
    body = _EXPORT.sub("", body)
    return f'modules["{name}"] = (() => {{\n{body}\nreturn {{{exported}}};\n}})();'


def as_script(value: Any) -> str:
    """A value as JavaScript that may stand between script tags."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page(title: str, inline: list[str] | None) -> str:
    """The page.

    Args:
        title: for its head.
        inline: scripts that stand in the page itself; None: it loads `data.js` and `report.js`.
    """
    static = files("streamfer.app.report") / "static"
    scripts = (
        '<script src="data.js"></script>\n<script src="report.js"></script>'
        if inline is None
        else "\n".join(f"<script>{text}</script>" for text in inline)
    )
    parts = {
        "title": title.replace("&", "&amp;").replace("<", "&lt;"),
        "style": (static / "report.css").read_text("utf-8"),
        "scripts": scripts,
    }
    # In one pass: what is put in is not looked at again.
    template = (static / "report.html").read_text("utf-8")
    return re.sub(r"\{(title|style|scripts)\}", lambda found: parts[found[1]], template)
