from __future__ import annotations

import importlib
from pathlib import Path
from typing import get_args

import pytest

from streamfer.app.config_fields import Backend
from streamfer.runtime.backends.names import BackendName
from streamfer.runtime.backends.table import BACKENDS, ONNXRUNTIME


def test_every_name_that_the_command_line_takes_has_a_record() -> None:
    assert set(get_args(BackendName)) == set(BACKENDS)
    assert set(get_args(Backend)) == {"auto", *BACKENDS}


@pytest.mark.parametrize("name", get_args(BackendName))
def test_a_backend_has_a_file_of_its_own_and_somewhere_to_run(name: BackendName) -> None:
    folder = Path(importlib.import_module("streamfer.runtime.backends").__path__[0])
    assert (folder / f"{name}.py").is_file()
    assert BACKENDS[name].on_cpu or BACKENDS[name].on_gpu


def test_one_backend_is_there_for_every_network_and_processor() -> None:
    assert ONNXRUNTIME.on_cpu
    assert not ONNXRUNTIME.x86_only
    assert not ONNXRUNTIME.needs_module
    assert not ONNXRUNTIME.gain  # nothing runs without it
