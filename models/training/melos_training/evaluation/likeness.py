"""ViSQOL: perceptual similarity of a copy (Chinen et al. 2020), as a mean opinion score from 1 to 5, in audio mode."""

from functools import cache

import numpy as np
from visqol import VisqolApi

from ..arrays import Floats
from ..constants import SAMPLE_RATE


@cache
def _visqol() -> VisqolApi:
    judge = VisqolApi()
    judge.create(mode="audio")
    return judge


def likeness(copy: Floats, truth: Floats) -> float:
    """The score of a copy; samples at 48 kHz."""
    length = min(len(copy), len(truth))
    reference, degraded = (np.asarray(sound[:length], np.float64) for sound in (truth, copy))
    return float(_visqol().measure_from_arrays(reference, degraded, SAMPLE_RATE).moslqo)
