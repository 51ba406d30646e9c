"""Runs the command line over and over in one process: a line of JSON arguments in, one with exit
code and output out."""

from __future__ import annotations

import json
import os
import sys
import tempfile

from streamfer.app.cli.main import main


def serve() -> None:
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


if __name__ == "__main__":
    serve()
