"""Chooses the precision of matrix products: bfloat16 where it is faster, otherwise float32."""

import functools
import time
from typing import Literal

import torch

Precision = Literal["auto", "bfloat16", "float32"]

SIZE = 512
"""Size of the square matrices used for timing."""

_decided: dict[str, bool] = {}
"""Whether matrix products on each device type use bfloat16; absent until decided."""


def _seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(SIZE, SIZE, dtype=dtype)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - started


@functools.cache
def bfloat16_is_faster(device_type: str = "cpu") -> bool:
    """Returns whether matrix products on a device are faster in bfloat16 than in float32.

    On CUDA, bfloat16 is faster if the hardware supports it. On a CPU without bfloat16 instructions, it is tens of times
    slower, so CPUs are timed.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and _seconds(torch.bfloat16) < _seconds(torch.float32)


def decide(device: torch.device, precision: Precision) -> Precision:
    """Decides the precision of this process's matrix products on a device, and returns it (never `auto`)."""
    bfloat16 = bfloat16_is_faster(device.type) if precision == "auto" else precision == "bfloat16"
    _decided[device.type] = bfloat16
    return "bfloat16" if bfloat16 else "float32"


def autocast(device: torch.device) -> torch.autocast:
    """Returns a context with the decided precision, or, if none was decided, with bfloat16 where that is faster."""
    bfloat16 = _decided[device.type] if device.type in _decided else bfloat16_is_faster(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
