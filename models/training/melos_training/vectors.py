"""Test vectors: PyTorch's results for whole sequences, which streaming through the exported graphs must reproduce.

Each row holds the inputs and outputs of one call. The vectors of the composer are a performance
(`composer/vectors.py`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from .composer import vectors as composer
from .composer.graphs import Module
from .composer.library import Library
from .constants import LATENT_FRAMES
from .data import Shards
from .graphs import ENCODER_FRAMES
from .pianist.network import Pianist, Prior, shifted
from .pianist.sampling import deviation
from .pianist.windows import PianoShards
from .vocoder import Vocoder

CALLS = 16
VOCODER_CALLS = 6
SEED = 7


def _by_call(values: Tensor) -> Tensor:
    """Reshapes [1, 8 n, …] to [n, 8, …]."""
    return values[0].reshape(-1, LATENT_FRAMES, *values.shape[2:])


def _network_vectors(
    pianist: Pianist, prior: Prior, vocoder: Vocoder, shards: Sequence[Path], pianos: Sequence[str]
) -> dict[str, dict[str, Tensor]]:
    """Computes the test vectors of all networks except the composer, from held-out music."""
    windows = PianoShards(Shards(shards, "valid", min_frames=4 * ENCODER_FRAMES), pianos)
    if not len(windows.shards):
        raise windows.shards.missing_error()
    values, hops, number, moods = windows.window(windows.shards.shards[0], 2 * ENCODER_FRAMES, ENCODER_FRAMES)
    mel, roll = torch.from_numpy(values)[None], torch.from_numpy(hops)[None, : CALLS * LATENT_FRAMES]
    mood = torch.from_numpy(moods)[None, :CALLS]
    # Every piano has some weight, so that the vectors also test the blending of pianos.
    weights = torch.full((1, len(pianos)), 0.25 / len(pianos))
    weights[0, number] += 0.75
    generator = torch.Generator().manual_seed(SEED)
    mean, log_variance = pianist.encoder(mel)
    noise = torch.randn(1, CALLS, pianist.latent, generator=generator)
    latents = mean[:, :CALLS] + noise * (log_variance[:, :CALLS] / 2).exp()
    before = shifted(latents)
    expected, log_spread = prior(before, roll, weights, mood)
    decoded = pianist.decoder(latents, roll, weights)
    real, imag = vocoder(decoded)
    piano = weights.expand(CALLS, -1)
    return {
        "encoder": {"mel": mel, "mean": mean},
        "prior": {
            "before": before[0],
            "roll": _by_call(roll),
            "piano": piano,
            "mood": mood[0],
            "mean": expected[0],
            "deviation": deviation(log_spread[0]),
        },
        "decoder": {"z": latents[0], "roll": _by_call(roll), "piano": piano, "mel": _by_call(decoded)},
        "vocoder": {
            "mel": _by_call(decoded)[:VOCODER_CALLS],
            "real": _by_call(real)[:VOCODER_CALLS],
            "imag": _by_call(imag)[:VOCODER_CALLS],
        },
    }


def write_vectors(
    folder: Path,
    pianist: Pianist,
    prior: Prior,
    vocoder: Vocoder,
    pianos: Sequence[str],
    shards: Sequence[Path],
    library: Library,
    steps: Mapping[str, Module],
) -> None:
    """Writes the test vectors to `folder`, one file per network.

    `steps`, the exported graphs of the composer, play its performance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        vectors = _network_vectors(pianist, prior, vocoder, shards, pianos)
    files: dict[str, dict[str, Any]] = {
        name: {key: value.numpy() for key, value in tensors.items()} for name, tensors in vectors.items()
    }
    files["composer"] = dict(composer.performance(library, steps))
    for name, arrays in files.items():
        stored = {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}
        save_file(stored, str(folder / f"{name}.safetensors"))
