"""The layout of the conditions and the mel are those of the Rust sources."""

import re
from pathlib import Path

import librosa
import numpy as np
import torch

from melos_training import constants
from melos_training.mel import log_mel, spectrum

SOURCES = Path(__file__).parents[3] / "src"


def test_condition_groups_are_those_of_rust():
    text = (SOURCES / "conditions.rs").read_text()
    table = re.search(r"GROUP_VALUES.*?=\s*\[(.*?)\];", text, re.S).group(1)
    ranges = [(int(a), int(b)) for a, b in re.findall(r"(\d+)\.\.(\d+)", table)]
    assert ranges == list(constants.CONDITION_GROUPS.values())
    fields = re.search(r"pub struct Conditions \{(.*?)\n\}", text, re.S).group(1)
    names = [name.removesuffix("_phase").removesuffix("_bpm") for name in re.findall(r"pub (\w+):", fields)]
    assert names == list(constants.CONDITION_GROUPS)
    assert constants.CONDITION_COUNT == 52


def test_emotions_are_those_of_rust():
    text = (SOURCES / "emotion.rs").read_text()
    names = re.findall(r"Self::(\w+),", re.search(r"ALL.*?=\s*\[(.*?)\];", text, re.S).group(1))
    assert [name.lower() for name in names] == list(constants.EMOTIONS)


def test_log_mel_is_librosas():
    rng = np.random.default_rng(0)
    audio = (rng.standard_normal(48_000) * 0.1).astype(np.float32)
    ours = log_mel(spectrum(torch.from_numpy(audio)[None], center=True).abs())[0].numpy()
    theirs = librosa.feature.melspectrogram(
        y=audio, sr=48_000, n_fft=2048, hop_length=512, power=1, n_mels=128, fmin=30, fmax=18_000, pad_mode="constant"
    )
    np.testing.assert_allclose(ours, np.log(np.maximum(theirs, 1e-5)).T, atol=1e-4)
