"""Tests the layout that training shares with the daemon, and compares the mel with librosa's."""

import librosa
import numpy as np
import torch

from melos_training import constants
from melos_training.composer.blocks import WINDOW
from melos_training.composer.graphs import SLOTS
from melos_training.mel import log_mel, spectrum


def test_groups_and_masks_fill_the_condition_vector() -> None:
    ends = [0, *(end for _, end in constants.CONDITION_GROUPS.values())]
    assert [first for first, _ in constants.CONDITION_GROUPS.values()] == ends[:-1]
    assert ends[-1] == constants.VALUE_COUNT
    assert ends[-1] + len(constants.CONDITION_GROUPS) == constants.CONDITION_COUNT


def test_the_ring_has_room_for_the_window_and_a_rollback() -> None:
    assert SLOTS >= WINDOW + constants.ROLLBACK


def test_loudness_and_density_are_scaled_around_typical_values() -> None:
    assert constants.scaled_loudness(64) == 0
    assert constants.scaled_loudness(84) == 1
    assert abs(constants.scaled_density(5.05)) < 1e-3


def test_log_mel_matches_librosa() -> None:
    rng = np.random.default_rng(0)
    audio = (rng.standard_normal(48_000) * 0.1).astype(np.float32)
    actual = log_mel(spectrum(torch.from_numpy(audio)[None], center=True).abs())[0].numpy()
    expected = librosa.feature.melspectrogram(
        y=audio, sr=48_000, n_fft=2048, hop_length=512, power=1, n_mels=128, fmin=30, fmax=18_000, pad_mode="constant"
    )
    np.testing.assert_allclose(actual, np.log(np.maximum(expected, 1e-5)).T, atol=1e-4)
