"""Mixed precision where it pays."""

import functools
import time
from typing import Literal

import torch

Precision = Literal["auto", "bfloat16", "float32"]

SIZE = 512
"""Rows and columns of the matrices that are timed."""

_settled: dict[str, bool] = {}
"""Device types for which it is settled whether products are computed in bfloat16."""


def _seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(SIZE, SIZE, dtype=dtype)
    matrix @ matrix
    begun = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - begun


@functools.cache
def bfloat16_pays(device_type: str = "cpu") -> bool:
    """Whether a device multiplies bfloat16 matrices faster than float32 ones.

    A processor without instructions for it is tens of times slower, so it is timed; of CUDA devices, those that have it
    in hardware do.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and _seconds(torch.bfloat16) < _seconds(torch.float32)


def settle(device: torch.device, precision: Precision) -> Precision:
    """Settles for this process what products are computed in on a device; returns what that is, never `auto`."""
    pays = bfloat16_pays(device.type) if precision == "auto" else precision == "bfloat16"
    _settled[device.type] = pays
    return "bfloat16" if pays else "float32"


def autocast(device: torch.device) -> torch.autocast:
    """A context in which products are computed in bfloat16 if that is settled or pays there, else in float32."""
    pays = _settled[device.type] if device.type in _settled else bfloat16_pays(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=pays)
