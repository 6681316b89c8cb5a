"""The network as it plays: small graphs, one step each, every state explicit.

A batch holds one row for each performance, or two where guidance leads away from a reference: the wanted conditions,
then the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from . import conditions
from .blocks import HEAD_WIDTH, HEADS, LAYERS, WIDTH, WINDOW, Layer
from .layout import (
    DURATIONS,
    KEYS,
    MEMORY_WIDTH,
    OFFSETS,
    PEDALS,
    SOUNDING_WIDTH,
    VELOCITIES,
    VOICES,
)
from .network import Composer

SLOTS = WINDOW + 32
"""Slots of the ring of keys and values; at most the window less one are visible, the others are there to go back."""


class FrameGraph(nn.Module):
    """One frame of the transformer: what the decoder starts from, and the pedal's logits."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        notes: Tensor,
        memory: Tensor,
        frame: Tensor,
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
        entered = net.enter(notes, memory @ net.memory.weight, frame, fine, sounding, melody, pedal)
        x = entered[:, None]
        keys, values = [], []
        for index, layer in enumerate(net.layers):
            assert isinstance(layer, Layer)
            query, key, value = layer.heads(x, cos, sin)
            past_keys, past_values = rings[2 * index : 2 * index + 2]
            scale = HEAD_WIDTH**-0.5
            past = query @ past_keys.transpose(2, 3) * scale + mask
            own = (query * key).sum(3, keepdim=True) * scale
            weights = torch.softmax(torch.cat([past, own], 3), 3)
            attended = weights[..., :SLOTS] @ past_values + weights[..., SLOTS:] * value
            x = layer.close(x, attended)
            keys.append(key)
            values.append(value)
        base = net.decide(entered, x[:, 0])
        return base, net.pedal_logits(base), torch.stack(keys), torch.stack(values)


class PedalGraph(nn.Module):
    """Once the pedal is decided: where it moves, and what the notes are written from."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, base: Tensor, pedal: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.pedal_offset_logits(base, pedal), self.net.open(base, pedal)


class OffsetGraph(nn.Module):
    """Where the next note begins, or the end of the frame. `first` is 1 where the frame has no note yet."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, opened: Tensor, so_far: Tensor, last: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.offset_logits(opened, so_far, last + first * self.net.start)


class VoiceGraph(nn.Module):
    """The voice, once the offset is decided."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, offset: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        index = offset[:, None, None].expand(-1, 1, conditions.FINE_WIDTH)
        return self.net.voice_logits(state, offset, fine.gather(1, index)[:, 0])


class KeyGraph(nn.Module):
    """The key, once the voice is decided."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, voice: Tensor, melody: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.key_logits(state, voice, melody)


class VelocityGraph(nn.Module):
    """The velocity, once the key is decided."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.velocity_logits(state, key)


class DurationGraph(nn.Module):
    """The duration, once the velocity is decided."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, velocity: Tensor) -> Tensor:
        return self.net.duration_logits(state, velocity)


class NoteGraph(nn.Module):
    """A finished note's embeddings: for the next frame, as part of the frame so far, and as the previous note."""

    def __init__(self, net: Composer) -> None:
        super().__init__()
        self.net = net

    def forward(self, note: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.notes(note), self.net.so_far(note), self.net.last(note)


Module = Callable[..., Any]
"""A graph in PyTorch or on ONNX Runtime: tensors to a tensor, or to a tuple of them."""


@dataclass(frozen=True)
class Port:
    """An input or output: its shape after the batch, or whole where it has none."""

    name: str
    shape: tuple[int, ...]
    meaning: str
    integer: bool = False
    axis: int | None = 0
    """The batch dimension; none for inputs that all rows share."""


@dataclass(frozen=True)
class Graph:
    """A graph with its contract."""

    module: nn.Module
    inputs: list[Port]
    outputs: list[Port]


RING_SHAPE = (HEADS, SLOTS, HEAD_WIDTH)


def build(net: Composer) -> dict[str, Graph]:
    """All graphs by name."""
    base = Port("base", (WIDTH,), "what the decoder of the frame starts from")
    opened = Port("opened", (WIDTH,), "what the notes of the frame are written from")
    state = Port("state", (WIDTH,), "what the next part of the note is written from")
    fine = Port("fine", (OFFSETS, conditions.FINE_WIDTH), "conditions of each offset")
    row = (LAYERS, HEADS, 1, HEAD_WIDTH)

    def chosen(name: str, count: int, meaning: str = "") -> Port:
        return Port(name, (), meaning or f"the {name} decided on, 0..{count - 1}", integer=True)

    def logits(count: int, meaning: str) -> Port:
        return Port("logits", (count,), meaning)

    melody = chosen("melody", KEYS + 1, "the melody's last key, 0..87; 88 where there is none yet")
    rings = [
        Port(f"{kind}{layer}", RING_SHAPE, meaning)
        for layer in range(LAYERS)
        for kind, meaning in (("k", "keys of past frames, any order"), ("v", "values, in the order of the keys"))
    ]
    return {
        "frame": Graph(
            FrameGraph(net),
            [
                Port("notes", (WIDTH,), "sum of `read` over the notes of the frame before"),
                Port("memory", (MEMORY_WIDTH,), "counts of what was played at this place in earlier bars"),
                Port("frame", (conditions.WIDTH,), "conditions of the frame"),
                fine,
                Port("sounding", (SOUNDING_WIDTH,), "keys held, then strings that only the pedal sustains"),
                melody,
                chosen("pedal", PEDALS + 1, "the pedal in the frame before: 0 up, 1 down, 2 changed, 3 not known"),
                Port("mask", (SLOTS,), "0 where a slot is visible, -1e9 where not", axis=None),
                Port("cos", (HEAD_WIDTH,), "cosines of frame x base^(-2i/64), i = 0..31, twice over", axis=None),
                Port("sin", (HEAD_WIDTH,), "sines likewise", axis=None),
                *rings,
            ],
            [
                base,
                logits(PEDALS, "of the pedal: up at the frame's end, down, lifted and pressed again"),
                Port("k_new", row, "this frame's keys, to be put into a slot", axis=1),
                Port("v_new", row, "this frame's values", axis=1),
            ],
        ),
        "pedal": Graph(
            PedalGraph(net),
            [base, chosen("pedal", PEDALS + 1)],
            [logits(OFFSETS, "of where the pedal moves, if it does"), opened],
        ),
        "offset": Graph(
            OffsetGraph(net),
            [
                opened,
                Port("so_far", (WIDTH,), "sum of `so_far` over the notes written in this frame"),
                Port("last", (WIDTH,), "`last` of the note before in this frame, 0 if none"),
                Port("first", (1,), "1 where the frame has no note yet, else 0"),
            ],
            [state, logits(OFFSETS + 1, "of the next note's offset; the last class ends the frame")],
        ),
        "voice": Graph(
            VoiceGraph(net),
            [state, chosen("offset", OFFSETS), fine],
            [Port("state_next", (WIDTH,), ""), logits(VOICES, "")],
        ),
        "key": Graph(
            KeyGraph(net),
            [state, chosen("voice", VOICES), melody],
            [Port("state_next", (WIDTH,), ""), logits(KEYS, "")],
        ),
        "velocity": Graph(
            VelocityGraph(net), [state, chosen("key", KEYS)], [Port("state_next", (WIDTH,), ""), logits(VELOCITIES, "")]
        ),
        "duration": Graph(DurationGraph(net), [state, chosen("velocity", VELOCITIES + 1)], [logits(DURATIONS, "")]),
        "note": Graph(
            NoteGraph(net),
            [Port("note", (5,), "offset, voice, key, velocity, duration", integer=True)],
            [
                Port("read", (WIDTH,), "as the next frame reads it"),
                Port("so_far", (WIDTH,), "as it adds to what is written"),
                Port("last", (WIDTH,), "as the note before the next"),
            ],
        ),
    }
