"""The numbers that preparing, training and playing share. `src/mel.rs` and `src/conditions.rs` own them."""

import math

SAMPLE_RATE = 48_000
N_FFT = 2048
HOP = 512
BINS = N_FFT // 2 + 1
MEL_BANDS = 128
MEL_MIN_HZ = 30.0
MEL_MAX_HZ = 18_000.0
MEL_FLOOR = 1e-5
LOG_FLOOR = math.log(MEL_FLOOR)
FRAMES_PER_SECOND = SAMPLE_RATE / HOP

# How networks see a log-mel: (x - MEL_MEAN) / MEL_SCALE.
MEL_MEAN = -5.5
MEL_SCALE = 3.0

LATENT_DIMS = 32
LATENT_FRAMES = 8
"""Mel frames one latent covers."""

NEPER_DB = 20 / math.log(10)
"""Decibels in one unit of natural-log magnitude."""

# The condition vector: values, then one mask per group.
CONDITION_GROUPS = {
    "emotion": (0, 8),
    "affect": (8, 10),
    "chord": (10, 22),
    "bass": (22, 34),
    "beat": (34, 36),
    "bar": (36, 38),
    "tempo": (38, 39),
    "density": (39, 40),
    "loudness": (40, 41),
    "register": (41, 42),
}
VALUE_COUNT = 42
CONDITION_COUNT = VALUE_COUNT + len(CONDITION_GROUPS)
EMOTIONS = ("happy", "sad", "energetic", "calm", "romantic", "angry", "nostalgic", "mysterious")
