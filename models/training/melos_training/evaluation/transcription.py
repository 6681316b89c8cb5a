"""Note onsets are transcribed by Transkun (Yan and Duan 2024), which was trained on recordings of concert grands.

An onset is correct if a note of the same pitch begins within 50 ms of the transcribed time.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import moduleconf
import numpy as np
import soxr
import torch

from ..arrays import Array, Floats
from ..constants import SAMPLE_RATE

TOLERANCE = 0.05
"""Onset tolerance in seconds, as in MIREX."""


@cache
def _transkun() -> Any:
    folder = files("transkun") / "pretrained"
    model = moduleconf.parseFromFile(str(folder / "2.0.conf"))["Model"]
    network = model.module.TransKun(conf=model.config)
    saved = torch.load(str(folder / "2.0.pt"), map_location="cpu", weights_only=True)
    network.load_state_dict(saved["state_dict"], strict=False)
    return network.eval()


@torch.no_grad()
def transcribe(samples: Floats) -> Floats:
    """Transcribes samples at 48 kHz; returns onsets [n, 2] (seconds, pitch) in order."""
    network = _transkun()
    resampled = soxr.resample(np.asarray(samples, np.float32), SAMPLE_RATE, network.fs)
    notes = network.transcribe(torch.from_numpy(np.ascontiguousarray(resampled))[:, None])
    # Pedals are transcribed as notes with negative pitches.
    onsets = sorted((note.start, note.pitch) for note in notes if note.pitch > 0)
    return np.array(onsets, np.float64).reshape(-1, 2)


def onset_scores(estimated: Array, truth: Array, tolerance: float = TOLERANCE) -> tuple[float, float, float]:
    """Returns precision, recall and F1 of onsets [n, 2], matched one to one by pitch within the tolerance."""
    hits = 0
    for pitch in np.unique(truth[:, 1]):
        estimated_times, true_times = (np.sort(x[x[:, 1] == pitch, 0]) for x in (estimated, truth))
        i = 0
        for time in true_times:
            while i < len(estimated_times) and estimated_times[i] < time - tolerance:
                i += 1
            if i < len(estimated_times) and estimated_times[i] <= time + tolerance:
                hits, i = hits + 1, i + 1
    precision, recall = hits / max(len(estimated), 1), hits / max(len(truth), 1)
    return precision, recall, 2 * hits / max(len(estimated) + len(truth), 1)
