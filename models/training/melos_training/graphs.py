"""Graphs for export, with static shapes except for the number of rows.

The daemon's graphs compute one step at a time, with explicit state. All inputs and outputs are float32; the graphs
round class indices. This module defines the graphs of the encoder and the vocoder.
"""

from typing import NamedTuple

from torch import Tensor, nn

from .constants import BINS, LATENT_FRAMES, MEL_BANDS
from .encoder import Encoder
from .layers import Carry
from .vocoder import Vocoder

ENCODER_FRAMES = 256


class Port(NamedTuple):
    """An input or output of a graph."""

    name: str
    shape: list[int]
    meaning: str


class Graph(NamedTuple):
    """A module with its inputs and outputs."""

    module: nn.Module
    inputs: list[Port]
    outputs: list[Port]
    free_rows: tuple[str, ...] = ()
    """Inputs whose first dimension is the number of rows, if the graph also runs with fewer rows than its ports have.
    Its module takes the inputs as `*inputs`."""


MEL = Port("mel", [1, LATENT_FRAMES, MEL_BANDS], "log-mel, natural log, floor 1e-5")


def state(size: int) -> Port:
    """Returns the port of the state input."""
    return Port("state", [1, size], "packed state; zeros at the start")


def state_next(size: int) -> Port:
    """Returns the port of the state output."""
    return Port("state_next", [1, size], "state for the next call")


class EncoderGraph(nn.Module):
    """Maps `mel` [1, 256, 128] to `mean` [1, 32, latent]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor) -> Tensor:
        return self.encoder(mel)[0]


class VocoderGraph(nn.Module):
    """Maps `mel` [1, 8, 128] and `state` to `real` and `imag` [1, 8, 1025] and the next state."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.vocoder = vocoder

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        carry = Carry(state)
        real, imag = self.vocoder(mel, carry)
        return real, imag, carry.packed()


def encoder_graph(encoder: Encoder, latent: int) -> Graph:
    """Returns the graph of an encoder whose latents have `latent` dimensions."""
    return Graph(
        EncoderGraph(encoder),
        [Port("mel", [1, ENCODER_FRAMES, MEL_BANDS], MEL.meaning)],
        [Port("mean", [1, ENCODER_FRAMES // LATENT_FRAMES, latent], "one latent per 8 frames")],
    )


def vocoder_graph(vocoder: Vocoder) -> Graph:
    """Returns the graph of a vocoder."""
    size = vocoder.state_size()
    return Graph(
        VocoderGraph(vocoder),
        [MEL, state(size)],
        [
            Port("real", [1, LATENT_FRAMES, BINS], "real part of STFT frames, look_ahead frames late"),
            Port("imag", [1, LATENT_FRAMES, BINS], "imaginary part"),
            state_next(size),
        ],
    )
