"""The network for playback: small graphs of one step each, with explicit state.

A batch has one row per performance; with classifier-free guidance, rows of the unconditional reference follow.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..constants import ROLLBACK
from .blocks import HEAD_WIDTH, HEADS, WINDOW, Layer, rotate
from .network import Composer

SLOTS = WINDOW + ROLLBACK
"""Slots of the KV cache, a ring; at most `WINDOW - 1` of them are visible, and the others allow rollbacks."""


class TransformerGraph(nn.Module):
    """Runs one step of the transformer.

    Computes the decoder's base state, the logits of the pedal action, and the latent's keys and values.
    """

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        notes: Tensor,
        memory: Tensor,
        coarse: Tensor,
        fine: Tensor,
        sounding: Tensor,
        melody: Tensor,
        pedal: Tensor,
        mask: Tensor,
        cos: Tensor,
        sin: Tensor,
        *rings: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        net = self.net
        entered = net.enter(notes, memory @ net.memory.weight, coarse, fine, sounding, melody, pedal)
        x = entered
        keys, values = [], []
        scale = HEAD_WIDTH**-0.5
        for index, layer in enumerate(net.layers):
            assert isinstance(layer, Layer)
            heads = layer.qkv(layer.norm(x)).view(-1, 3 * HEADS, 1, HEAD_WIDTH)
            turned, value = rotate(heads[:, : 2 * HEADS], cos, sin), heads[:, 2 * HEADS :]
            query, key = turned[:, :HEADS], turned[:, HEADS:]
            past_keys, past_values = rings[2 * index : 2 * index + 2]
            past = query @ past_keys.transpose(2, 3) * scale + mask
            own = (query * key).sum(3, keepdim=True) * scale
            weights = torch.softmax(torch.cat([past, own], 3), 3)
            attended = weights[..., :SLOTS] @ past_values + weights[..., SLOTS:] * value
            # Of rank 2: with a free number of rows, the runtime fuses products and biases only of this rank.
            x = layer.feed(x + layer.mix(attended.flatten(1)))
            keys.append(key)
            values.append(value)
        base = net.decide(entered, x)
        return base, net.pedal_logits(base), torch.stack(keys), torch.stack(values)


class PedalGraph(nn.Module):
    """Predicts the offset of the pedal action, and computes the base state of the notes."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, base: Tensor, pedal: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.pedal_offset_logits(base, pedal), self.net.open(base, pedal)


class OffsetGraph(nn.Module):
    """Predicts the offset of the next note, or the end of the latent. `first` is 1 if the latent has no note yet."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, opened: Tensor, so_far: Tensor, last: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.offset_logits(opened, so_far, last + first * self.net.start)


class VoiceGraph(nn.Module):
    """Predicts the voice, given the offset; `fine` [rows, 32] are the conditions at the offset."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, offset: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.voice_logits(state, offset, fine)


class KeyGraph(nn.Module):
    """Predicts the key, given the voice."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, voice: Tensor, melody: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.key_logits(state, voice, melody)


class VelocityGraph(nn.Module):
    """Predicts the velocity, given the key."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.velocity_logits(state, key)


class DurationGraph(nn.Module):
    """Predicts the duration, given the velocity."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, velocity: Tensor) -> Tensor:
        return self.net.duration_logits(state, velocity)


class NoteGraph(nn.Module):
    """Computes a note's embeddings: for the next latent, for the sum over the current latent, and as the last note."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, note: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.notes(note), self.net.so_far(note), self.net.last(note)


Module = Callable[..., Any]
"""A graph in PyTorch or ONNX Runtime: a function from tensors to one or more tensors."""

RING_SHAPE = (HEADS, SLOTS, HEAD_WIDTH)
"""Shape of the cached keys of one row and layer, and of the values."""


def build(net: Composer) -> dict[str, nn.Module]:
    """Builds all graphs, by name."""
    return {
        "frame": TransformerGraph(net),
        "pedal": PedalGraph(net),
        "offset": OffsetGraph(net),
        "voice": VoiceGraph(net),
        "key": KeyGraph(net),
        "velocity": VelocityGraph(net),
        "duration": DurationGraph(net),
        "note": NoteGraph(net),
    }
