"""A machine that is the same wherever the tests run."""

from __future__ import annotations

from dataclasses import replace

from streamfer.runtime.hardware import Cpu
from streamfer.runtime.planning import find_machine

PLAIN_CPU = replace(find_machine(), cpu=Cpu("cpu", ()), gpus=(), torch_sees_gpu=False, x86=True)
"""Everything installed here, on an x86 processor without bf16 or VNNI and without a GPU."""
