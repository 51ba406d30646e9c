"""Where the live page is, in a line that programs may read."""

from __future__ import annotations

from rich.console import Console


def say_page(address: str) -> None:
    """Prints it, also where the program is to be quiet: nobody could find the page."""
    # Without markup: rich would take the brackets of an IPv6 address for a style.
    Console().print(f"live page: {address}", markup=False, highlight=False, soft_wrap=True)
