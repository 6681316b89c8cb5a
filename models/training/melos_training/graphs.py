"""The modules as the daemon runs them: one step each, static shapes, every state explicit."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .constants import BINS, CONDITION_COUNT, LATENT_DIMS, LATENT_FRAMES, MEL_BANDS, ROLLBACK
from .layers import Carry
from .transformer import HEAD_DIM, HEADS, LAYERS, WINDOW, Transformer
from .vae import Decoder, Encoder, Vae
from .vocoder import Vocoder

SLOTS = WINDOW + ROLLBACK
"""Slots of the host's key and value ring; at most the window less one are visible."""
ENCODER_FRAMES = 256


class EncoderGraph(nn.Module):
    """`mel` [1, 256, 128] to `mean` [1, 32, 32]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor) -> Tensor:
        return self.encoder(mel)[0]


class DecoderGraph(nn.Module):
    """`z` [1, 32] and `state` to `mel` [1, 8, 128] and the next state."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        carry = Carry()
        decoder(torch.zeros(1, 1, LATENT_DIMS), carry)
        self.state_size = carry.size

    def forward(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        carry = Carry(state)
        mel = self.decoder(z[:, None], carry)
        return mel, carry.packed()


class VocoderGraph(nn.Module):
    """`mel` [1, 8, 128] and `state` to `real` and `imag` [1, 8, 1025] and the next state."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.vocoder = vocoder
        self.state_size = vocoder.state_size()

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        carry = Carry(state)
        real, imag = self.vocoder(mel, carry)
        return real, imag, carry.packed()


class TransformerGraph(nn.Module):
    """One latent: both rows of the guidance pair share the previous latent and each keeps its own keys and values."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(
        self,
        z: Tensor,
        start: Tensor,
        conditions: Tensor,
        noise: Tensor,
        guidance: Tensor,
        mask: Tensor,
        cos: Tensor,
        sin: Tensor,
        *rings: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        net = self.transformer
        previous = (z - net.mean) / net.deviation * (1 - start)
        x = (net.enter(previous) + net.conditions(conditions))[:, None]
        keys, values = [], []
        layer: Any
        for index, layer in enumerate(net.layers):
            query, key, value = layer.heads(x, cos, sin)
            keys.append(key)
            values.append(value)
            scale = HEAD_DIM**-0.5
            k, v = rings[2 * index : 2 * index + 2]
            past = query @ k.transpose(2, 3) * scale + mask
            own = (query * key).sum(3, keepdim=True) * scale
            weights = torch.softmax(torch.cat([past, own], 3), 3)
            attended = weights[..., :SLOTS] @ v + weights[..., SLOTS:] * value
            x = layer.close(x, attended)
        context = net.norm(x)[:, 0]
        z_next = net.sample(context, noise, guidance) * net.deviation + net.mean
        return z_next, torch.stack(keys), torch.stack(values)


RING_SHAPE = 2, HEADS, SLOTS, HEAD_DIM
"""Shape of one layer's key and of its value ring.

Each is an input of its own, for taking one tensor of all apart would copy it.
"""


class Port(NamedTuple):
    """An input or output of a graph."""

    name: str
    shape: list[int]
    meaning: str


class Graph(NamedTuple):
    """A module and its contract."""

    module: nn.Module
    inputs: list[Port]
    outputs: list[Port]


def build(vae: Vae, vocoder: Vocoder, transformer: Transformer) -> dict[str, Graph]:
    """Each graph by the name of its file."""
    decoder, voice = DecoderGraph(vae.decoder), VocoderGraph(vocoder)
    row = [LAYERS, 2, HEADS, 1, HEAD_DIM]
    mel = Port("mel", [1, LATENT_FRAMES, MEL_BANDS], "log-mel, natural log, floor 1e-5")

    rings = [
        port
        for layer in range(LAYERS)
        for port in (
            Port(f"k{layer}", list(RING_SHAPE), "keys of past positions, any order"),
            Port(f"v{layer}", list(RING_SHAPE), "values of past positions, in the order of the keys"),
        )
    ]

    def state(size: int) -> Port:
        return Port("state", [1, size], "packed state; zeros at the start")

    def state_next(size: int) -> Port:
        return Port("state_next", [1, size], "state of the next call")

    return {
        "transformer": Graph(
            TransformerGraph(transformer),
            [
                Port("z", [1, LATENT_DIMS], "previous latent, as the VAE has it"),
                Port("start", [1], "1 for the first latent (z is ignored), else 0"),
                Port(
                    "conditions", [2, CONDITION_COUNT], "of the latent to come: wanted, then the reference for guidance"
                ),
                Port("noise", [1, LATENT_DIMS], "normal noise; its deviation is the square root of the temperature"),
                Port("guidance", [1], "reference + guidance x (wanted - reference); 1 is the wanted alone"),
                Port("mask", [1, SLOTS], "0 where a slot is visible, -1e9 where not"),
                Port("cos", [HEAD_DIM], "cosines of position x base^(-2i/64), i = 0..31, twice over"),
                Port("sin", [HEAD_DIM], "sines likewise"),
                *rings,
            ],
            [
                Port("z_next", [1, LATENT_DIMS], "the next latent, as the VAE has it"),
                Port("k_new", row, "this position's keys, to be put into a slot"),
                Port("v_new", row, "this position's values"),
            ],
        ),
        "decoder": Graph(
            decoder,
            [Port("z", [1, LATENT_DIMS], "one latent"), state(decoder.state_size)],
            [mel, state_next(decoder.state_size)],
        ),
        "vocoder": Graph(
            voice,
            [mel, state(voice.state_size)],
            [
                Port("real", [1, LATENT_FRAMES, BINS], "real part of STFT frames, look_ahead frames late"),
                Port("imag", [1, LATENT_FRAMES, BINS], "imaginary part"),
                state_next(voice.state_size),
            ],
        ),
        "encoder": Graph(
            EncoderGraph(vae.encoder),
            [Port("mel", [1, ENCODER_FRAMES, MEL_BANDS], "log-mel, natural log, floor 1e-5")],
            [Port("mean", [1, ENCODER_FRAMES // LATENT_FRAMES, LATENT_DIMS], "one latent per 8 frames")],
        ),
    }
