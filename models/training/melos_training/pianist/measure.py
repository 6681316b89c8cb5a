"""Measures how well the pianist reconstructs held-out music on each piano."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..constants import LOG_FLOOR, NEPER_DB
from ..data import Shards
from ..encoder import divergence
from ..training import Numbers
from .losses import attack_loss, attacks
from .network import Pianist, Prior
from .sampling import perform
from .train_pianist import ACTIVE
from .windows import PianoShards

CLIP = 512
"""Mel frames per clip."""
PER_SHARD = 4
"""Clips per shard, evenly spaced."""


def _errors(mel: Tensor, decoded: Tensor, attack: Tensor) -> tuple[float, float]:
    """Returns the mean absolute error in dB, over all frames and at attacks."""
    overall = (decoded.clamp(min=LOG_FLOOR) - mel).abs().mean().item()
    return overall * NEPER_DB, attack_loss(decoded.clamp(min=LOG_FLOOR), mel, attack).item() * NEPER_DB


@torch.no_grad()
def measure(
    pianist: Pianist, prior: Prior, pianos: Sequence[str], folders: Sequence[Path], split: str = "test"
) -> dict[str, Numbers]:
    """Returns the results for each piano.

    `clips` is the number of clips. `pianist`, `performed` and `notes` are mean absolute errors in dB of log-mels
    decoded from the notes, with the posterior's means as latents, with latents sampled from the prior as in a
    performance, and with all latents 0; `…_attack` are these errors at attacks. `nats` is the KL divergence per latent,
    `active` the number of active dimensions. The networks do not hear what precedes a clip.
    """
    windows = PianoShards(Shards(folders, split, min_frames=CLIP), pianos)
    if not len(windows.shards):
        raise windows.shards.missing_error()
    rng = np.random.default_rng(1)
    results: dict[str, dict[str, list[float]]] = {}
    means: dict[str, list[Tensor]] = {}
    for shard in windows.shards.shards:
        name = pianos[windows.piano(shard)]
        values = results.setdefault(name, {})
        for start in np.linspace(0, shard.frames - CLIP, PER_SHARD).astype(int) // 8 * 8:
            frames, hops, index, conditions = windows.window(shard, int(start), CLIP)
            mel, roll = torch.from_numpy(frames)[None], torch.from_numpy(hops)[None]
            mean, log_variance = pianist.encoder(mel)
            noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
            piano, mood = torch.tensor([index]), torch.from_numpy(conditions)[None]
            decoded = {
                "pianist": pianist.decoder(mean, roll, piano),
                "performed": pianist.decoder(perform(prior, roll, piano, mood, noise), roll, piano),
                "notes": pianist.decoder(torch.zeros_like(mean), roll, piano),
            }
            for source, predicted in decoded.items():
                overall, at_attacks = _errors(mel, predicted, attacks(roll))
                values.setdefault(source, []).append(overall)
                values.setdefault(f"{source}_attack", []).append(at_attacks)
            values.setdefault("nats", []).append(divergence(mean, log_variance).sum().item())
            means.setdefault(name, []).append(mean[0])
    return {
        name: {
            "clips": float(len(values["nats"])),
            **{key: float(np.mean(numbers)) for key, numbers in values.items()},
            "active": float((torch.cat(means[name]).std(0) > ACTIVE).sum()),
        }
        for name, values in results.items()
    }
