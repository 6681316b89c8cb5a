"""Test vectors: what PyTorch computes for whole sequences, which streaming through the exported graphs must equal.

Rows are calls: `decoder` and `vocoder` outputs come from one evaluation of the whole sequence from its start.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from .constants import CONDITION_COUNT, LATENT_DIMS, LATENT_FRAMES, MEL_BANDS
from .data import Shards
from .graphs import ENCODER_FRAMES, RING_SHAPE, SLOTS, Graph, TransformerGraph
from .transformer import LAYERS, WINDOW, Transformer, rotary
from .vae import Vae
from .vocoder import Vocoder

STEPS = 6


class Player:
    """Drives the transformer's graph as the daemon does: a ring of keys and values, and a mask over it."""

    def __init__(self, graph: TransformerGraph) -> None:
        self.graph = graph
        self.rings = [torch.zeros(RING_SHAPE) for _ in range(2 * LAYERS)]
        self.position = 0
        self.z = torch.zeros(1, LATENT_DIMS)

    def inputs(self, conditions: Tensor, noise: Tensor, guidance: float) -> tuple[Tensor, ...]:
        """The graph's inputs at this position."""
        mask = torch.full((1, SLOTS), -1e9)
        visible = range(max(0, self.position - WINDOW + 1), self.position)
        mask[0, [position % SLOTS for position in visible]] = 0
        cos, sin = rotary(torch.tensor([self.position]))
        start = torch.tensor([float(self.position == 0)])
        return self.z, start, conditions, noise, torch.tensor([guidance]), mask, cos[0], sin[0], *self.rings

    def step(self, conditions: Tensor, noise: Tensor, guidance: float) -> Tensor:
        """The next latent [1, 32]."""
        self.z, key, value = self.graph(*self.inputs(conditions, noise, guidance))
        slot = self.position % SLOTS
        for layer in range(LAYERS):
            self.rings[2 * layer][:, :, slot] = key[layer, :, :, 0]
            self.rings[2 * layer + 1][:, :, slot] = value[layer, :, :, 0]
        self.position += 1
        return self.z


def _example(shards: Sequence[Path] | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Log-mel [1, 256, 128] and conditions [32, 52]: held-out music, or noise where there is none."""
    if shards is None:
        mel = torch.randn(1, ENCODER_FRAMES, MEL_BANDS, generator=generator) * 2 - 7
        return mel.clamp(min=-11.5), torch.zeros(ENCODER_FRAMES // LATENT_FRAMES, CONDITION_COUNT)
    shard = Shards(shards, "valid", min_frames=4 * ENCODER_FRAMES).shards[0]
    first = 2 * ENCODER_FRAMES
    heard = shard.read("mel", first, first + ENCODER_FRAMES).astype(np.float32)
    latent = first // LATENT_FRAMES
    conditions = shard.read("conditions", latent, latent + ENCODER_FRAMES // LATENT_FRAMES)
    return torch.from_numpy(heard)[None], torch.from_numpy(conditions)


def write_vectors(
    folder: Path,
    graphs: dict[str, Graph],
    vae: Vae,
    vocoder: Vocoder,
    transformer: Transformer,
    shards: Sequence[Path] | None,
) -> None:
    """Writes one small file per graph into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        mel, conditions = _example(shards, generator)
        mean = graphs["encoder"].module(mel)
        z = mean[0, :STEPS]
        decoded = vae.decoder(z[None]).view(STEPS, LATENT_FRAMES, -1)
        heard = mel[:, : 3 * LATENT_FRAMES]
        real, imag = (part[0].view(3, LATENT_FRAMES, -1) for part in vocoder(heard))
        player = Player(TransformerGraph(transformer))
        noise = torch.randn(STEPS, 1, LATENT_DIMS, generator=generator)
        pairs = torch.stack([conditions[:STEPS], torch.zeros(STEPS, CONDITION_COUNT)], 1)
        latents = torch.cat([player.step(pairs[i], noise[i], 2.0) for i in range(STEPS)])
    files = {
        "encoder": {"mel": mel, "mean": mean},
        "decoder": {"z": z, "mel": decoded},
        "vocoder": {"mel": heard[0].view(3, LATENT_FRAMES, -1), "real": real, "imag": imag},
        "transformer": {
            "conditions": pairs,
            "noise": noise[:, 0],
            "guidance": torch.tensor([2.0]),
            "z_next": latents,
        },
    }
    for name, tensors in files.items():
        arrays = {key: np.ascontiguousarray(value.numpy(), np.float32) for key, value in tensors.items()}
        save_file(arrays, str(folder / f"{name}.safetensors"))
