"""Writes a tiny corpus of decaying harmonic notes in the shard format of `melos-corpus prepare`."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from melos_training.arrays import Floats
from melos_training.constants import (
    CONDITION_COUNT,
    CONDITION_GROUPS,
    FULL_SCALE,
    HOP,
    LATENT_FRAMES,
    SAMPLE_RATE,
    VALUE_COUNT,
    scaled_density,
    scaled_loudness,
)
from melos_training.mel import log_mel, spectrum

PIANOS = ("grand", "upright")


def render(notes: Floats, samples: int) -> Floats:
    """Renders notes (start and end in seconds, pitch, velocity) as six decaying partials each."""
    audio: Floats = np.zeros(samples, np.float32)
    for start, end, pitch, velocity in notes:
        first, last = int(start * SAMPLE_RATE), min(samples, int((end + 0.3) * SAMPLE_RATE))
        time = np.arange(last - first) / SAMPLE_RATE
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        for partial in range(1, 7):
            decay = np.exp(-time * (1 + partial)) * velocity / 127 * 0.2 / partial
            audio[first:last] += (decay * np.sin(2 * np.pi * frequency * partial * time)).astype(np.float32)
    return np.clip(audio, -1, 1)


def conditions(notes: Floats, count: int) -> Floats:
    """Returns conditions per latent, of which only chord, density and loudness are known."""
    rows = np.zeros((count, CONDITION_COUNT), np.float32)
    names = list(CONDITION_GROUPS)
    chord, density, loudness = (CONDITION_GROUPS[name][0] for name in ("chord", "density", "loudness"))
    for k in range(count):
        middle = (k + 0.5) * LATENT_FRAMES * HOP / SAMPLE_RATE
        near = [n for n in notes if n[0] < middle + 0.5 and n[1] > middle - 0.5]
        for _, _, pitch, velocity in near:
            rows[k, chord + int(pitch) % 12] = 1
            rows[k, loudness] = scaled_loudness(velocity)
        rows[k, density] = scaled_density(len(near))
        for group in ("chord", "density", "loudness"):
            rows[k, VALUE_COUNT + names.index(group)] = 1
    return rows


def write_shard(path: Path, seed: int, piano: str, seconds: int = 24) -> None:
    """Writes a shard of random notes; the second piano has a duller sound, and a pedal."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE / HOP / LATENT_FRAMES)
    samples = count * LATENT_FRAMES * HOP
    starts = np.arange(0, seconds - 1, 0.25)
    pitches = 48 + rng.choice([0, 2, 4, 5, 7, 9, 11], len(starts)) + 12 * rng.integers(0, 3, len(starts))
    notes = np.stack([starts, starts + 0.5, pitches, rng.integers(40, 100, len(starts))], 1).astype(np.float32)
    audio = render(notes, samples)
    if piano == PIANOS[1]:
        audio[1:] = (audio[1:] + audio[:-1]) / 2
    mel = log_mel(spectrum(torch.from_numpy(audio)[None], center=True).abs())[0, : count * LATENT_FRAMES]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "mel": mel.numpy().astype(np.float16),
            "conditions": conditions(notes, count),
            "notes": notes,
            "key_up": notes[:, 1] - np.float32(0.1),
            "pedal": np.array([[0.5, 1], [2.0, 0]], np.float32)[: 2 * PIANOS.index(piano)],
            "audio": np.round(audio * FULL_SCALE).astype(np.int16),
        },
        str(path),
        metadata={"corpus": "test", "piece": str(seed), "split": path.parent.name, "piano": piano},
    )


def write_corpus(folder: Path, piano: str, train: int = 4, valid: int = 2) -> None:
    """Writes a corpus of a few shards on one piano to `folder`."""
    for split, seeds in (("train", range(train)), ("valid", range(100, 100 + valid)), ("test", range(200, 201))):
        for seed in seeds:
            write_shard(folder / split / f"test-{seed:03d}-t+0-s100.safetensors", seed, piano)
