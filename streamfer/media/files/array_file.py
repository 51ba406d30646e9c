"""Files of NumPy arrays."""

from __future__ import annotations

import zipfile
import zlib

NO_ARRAYS = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)
"""What reading a `.npy` or `.npz` raises where it is damaged, empty, or lacks an array: NumPy hands
on whatever it meets."""
