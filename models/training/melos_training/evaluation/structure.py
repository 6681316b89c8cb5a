"""Measures structureness: how well repetitions of one passage explain the whole piece (Wu and Yang 2020).

The index at a scale is the maximum fitness (Müller, Jiang and Grosche 2013) of all passages of that length, on a chroma
self-similarity matrix that includes transposed, slower and faster repetitions. libfmp computes the index.
"""

import libfmp.c3
import libfmp.c4
import librosa
import numpy as np

from ..arrays import Floats

RATE = 22_050
SCALES = {"3 to 8 s": (3.0, 8.0), "8 to 15 s": (8.0, 15.0), "15 s and more": (15.0, np.inf)}
HOP = RATE // 10
SMOOTHING, DOWNSAMPLING = 21, 5
"""Smoothing window and downsampling factor of the chroma frames, of which there are ten per second."""
DIAGONAL = 16
"""Length of the filter that smooths the matrix along its diagonals, in rows."""
TEMPI = libfmp.c4.compute_tempo_rel_set(0.66, 1.5, 5)
SHARE = 0.15
"""Share of the matrix that counts as repetition."""
PENALTY = -2


def similarity(samples: Floats) -> Floats:
    """Returns the self-similarity matrix [n, n] of samples at `RATE`, with two rows per second."""
    chroma = librosa.feature.chroma_stft(y=samples, sr=RATE, tuning=0, norm=2, hop_length=HOP, n_fft=2 * HOP)
    smooth, _ = libfmp.c3.smooth_downsample_feature_sequence(chroma, 10, filt_len=SMOOTHING, down_sampling=DOWNSAMPLING)
    smooth = libfmp.c3.normalize_feature_sequence(smooth, norm="2", threshold=0.001)
    matrix, _ = libfmp.c4.compute_sm_ti(
        smooth, smooth, L=DIAGONAL, tempo_rel_set=TEMPI, shift_set=np.arange(12), direction=2
    )
    repetitions = libfmp.c4.threshold_matrix(matrix, thresh=SHARE, strategy="relative", scale=True, penalty=PENALTY)
    return libfmp.c4.normalization_properties_ssm(repetitions)


def indices(samples: Floats) -> dict[str, float]:
    """Returns the index at each scale."""
    fitness = libfmp.c4.compute_fitness_scape_plot(similarity(samples))[0]
    rows = 10 / DOWNSAMPLING
    maxima = {}
    for name, (shortest, longest) in SCALES.items():
        end = int(min(longest * rows, len(fitness)))
        maxima[name] = float(fitness[int(shortest * rows) : end].max())
    return maxima
