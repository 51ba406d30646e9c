"""Packages that only some users need, and how to get them."""

from __future__ import annotations

_EXTRAS = {
    "torch": "learn",
    "onnxscript": "learn",
    "tqdm": "learn",
    "sklearn": "learn",
    "tensorrt": "gpu",
}
"""By the name that is imported."""


def install_command(package: str) -> str | None:
    """What to type to get a package; None for one that everybody has.

    Args:
        package: as it is imported; of a part of it the first name counts.
    """
    extra = _EXTRAS.get(package.partition(".")[0])
    return extra and f"pip install 'streamfer[{extra}]'"
