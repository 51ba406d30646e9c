"""Every exception that Streamfer raises on purpose.

    StreamferError
    ├── ConfigError      bad usage or configuration          exit code 2
    ├── SourceError      a source cannot be opened or read   exit code 3
    ├── OutputError      an output cannot be written         exit code 4
    ├── EngineError      a model or engine is missing/broken exit code 5
    └── PipelineError    a stage failed; says which          exit code of its cause, else 1

Messages are one line for people: what failed, where, and what to do about it. They never hold
credentials; whoever builds a message from a URL redacts it first (`streamfer.media.redact`).
"""

from __future__ import annotations


class StreamferError(Exception):
    """Base of all errors that Streamfer raises on purpose."""

    exit_code = 1


class ConfigError(StreamferError):
    """The command line, a configuration file or an argument is wrong."""

    exit_code = 2


class SourceError(StreamferError):
    """A source cannot be opened, or was lost for good."""

    exit_code = 3


class OutputError(StreamferError):
    """An output cannot be written."""

    exit_code = 4


class EngineError(StreamferError):
    """A model file or compiled engine is missing, broken or unusable on this machine."""

    exit_code = 5


class PipelineError(StreamferError):
    """A pipeline stage failed.

    Attributes:
        stage: the stage's name, such as `analyzer`.
        stream: the stream that it was working on, or None where it serves all.
    """

    def __init__(self, stage: str, stream: str | None, cause: BaseException) -> None:
        where = f"{stage} of {stream}" if stream else stage
        super().__init__(f"{where}: {cause}")
        self.stage = stage
        self.stream = stream
        self.__cause__ = cause
        self.exit_code = cause.exit_code if isinstance(cause, StreamferError) else 1
