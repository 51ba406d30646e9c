from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import streamfer
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.quick_sessions import QUICK


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "talk.mp4", ClipSpec(frames=6))


@pytest.fixture(scope="module")
def portrait() -> UInt8Array:
    from skimage.data import astronaut

    return np.asarray(astronaut()[::2, ::2])


@pytest.fixture(scope="module")
def opened() -> Iterator[streamfer.Session]:
    with streamfer.Session(**QUICK) as session:
        yield session
