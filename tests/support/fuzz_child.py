"""Runs the command line over and over in one process: a line of JSON arguments in, one with exit
code and output out. Networks stay open from run to run: opening them is most of a short run's work,
and no damaged file can reach it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

from streamfer.app.cli.main import main
from streamfer.app.session import session
from streamfer.app.session.networks import SessionNetworks


class KeptNetworks(SessionNetworks):
    """Outlive the session that opened them."""

    def close(self) -> None:
        pass


_kept: dict[tuple[Any, ...], KeptNetworks] = {}


def kept_networks(config: Any, *others: Any) -> SessionNetworks:
    """The networks of an earlier run with the same settings, or new ones."""
    key = tuple(getattr(config, name) for name in sorted(session._OF_THE_NETWORKS))
    if key not in _kept:
        _kept[key] = KeptNetworks(config, *others)
    return _kept[key]


def serve() -> None:
    session.SessionNetworks = kept_networks  # type: ignore[assignment,misc]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        for line in sys.stdin:
            code = main(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            said.seek(0)
            answers.write(json.dumps({"code": code, "text": said.read()}) + "\n")
            said.seek(0)
            said.truncate()
    for networks in _kept.values():  # their threads would hold the exit
        SessionNetworks.close(networks)


if __name__ == "__main__":
    serve()
