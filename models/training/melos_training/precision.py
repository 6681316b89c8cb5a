"""Mixed precision where it is faster."""

import functools
import time
from typing import Literal

import torch

Precision = Literal["auto", "bfloat16", "float32"]

SIZE = 512
"""Size of the square matrices used for timing."""

_settled: dict[str, bool] = {}
"""Whether each device type multiplies in bfloat16, once that is decided."""


def _seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(SIZE, SIZE, dtype=dtype)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - started


@functools.cache
def bfloat16_pays(device_type: str = "cpu") -> bool:
    """Whether a device multiplies bfloat16 matrices faster than float32 ones.

    A CPU without bfloat16 instructions is tens of times slower, so it is timed; a CUDA device is faster if its hardware
    supports it.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and _seconds(torch.bfloat16) < _seconds(torch.float32)


def settle(device: torch.device, precision: Precision) -> Precision:
    """Decides the precision of matrix products on a device for this process; returns it, never `auto`."""
    pays = bfloat16_pays(device.type) if precision == "auto" else precision == "bfloat16"
    _settled[device.type] = pays
    return "bfloat16" if pays else "float32"


def autocast(device: torch.device) -> torch.autocast:
    """A context that multiplies in bfloat16 if that was decided or is faster, otherwise in float32."""
    pays = _settled[device.type] if device.type in _settled else bfloat16_pays(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=pays)
