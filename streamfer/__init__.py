"""Streamfer reads faces in live video."""

from __future__ import annotations

__version__ = "0.1.0"
