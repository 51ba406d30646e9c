"""Packages that only some users need, and how to get them."""

from __future__ import annotations

_EXTRAS = {
    "torch": "learn",
    "onnxscript": "learn",
    "tqdm": "learn",
    "sklearn": "learn",
    "tensorrt": "gpu",
    "matplotlib": "plot",
    "ray": "cluster",
}
"""By the name that is imported."""


def install_command(package: str) -> str:
    """What to type to get a package.

    Args:
        package: as it is imported; of a part of it the first name counts.
    """
    name = package.partition(".")[0]
    return f"pip install 'streamfer[{_EXTRAS[name]}]'" if name in _EXTRAS else f"pip install {name}"


def is_extra(package: str) -> bool:
    """Whether only some users have a package; see `install_command`."""
    return package.partition(".")[0] in _EXTRAS
