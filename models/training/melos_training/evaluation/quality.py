"""Measures the perceptual quality of a copy with ViSQOL in audio mode (Chinen et al. 2020)."""

from functools import cache

import numpy as np
from visqol import VisqolApi

from ..arrays import Floats
from ..constants import SAMPLE_RATE


@cache
def _visqol() -> VisqolApi:
    api = VisqolApi()
    api.create(mode="audio")
    return api


def visqol_score(copy: Floats, original: Floats) -> float:
    """Returns an estimated mean opinion score from 1 to 5; both arguments are samples at 48 kHz."""
    length = min(len(copy), len(original))
    reference, degraded = (np.asarray(samples[:length], np.float64) for samples in (original, copy))
    return float(_visqol().measure_from_arrays(reference, degraded, SAMPLE_RATE).moslqo)
