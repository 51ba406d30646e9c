"""The commands that look after this machine."""

from __future__ import annotations


def doctor_command() -> int:
    """Say what this machine has and lacks, and what to do about it."""
    from rich.console import Console

    from streamfer.app.cli.doctor import doctor

    return doctor(Console())


def list_engines_command() -> int:
    """Show what is compiled."""
    from rich.console import Console

    from streamfer.app.cli.engines import list_engines

    return list_engines(Console())


def clean_engines_command() -> int:
    """Throw the compiled engines away; they are built again when needed."""
    from rich.console import Console

    from streamfer.app.cli.engines import clean_engines

    return clean_engines(Console())
