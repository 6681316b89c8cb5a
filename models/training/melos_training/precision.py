"""Mixed precision where it pays."""

import functools
import time

import torch

SIZE = 512
"""Rows and columns of the matrices that are timed."""


def _seconds(dtype):
    matrix = torch.ones(SIZE, SIZE, dtype=dtype)
    matrix @ matrix
    begun = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - begun


@functools.cache
def bfloat16_pays():
    """Whether this processor multiplies bfloat16 matrices faster than float32 ones; without instructions for it, it is tens of times slower."""
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def autocast():
    """A context in which products are computed in bfloat16 if that is faster here, else in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays())
