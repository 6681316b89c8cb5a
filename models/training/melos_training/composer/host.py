"""The network as the daemon runs it: graphs with static shapes, with rows for requested conditions and reference.

Inputs that both rows share have a single row. All are float32; class indices are rounded.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ..graphs import Graph, Port
from . import conditions
from .blocks import HEAD_WIDTH, LAYERS, WIDTH
from .graphs import RING_SHAPE, SLOTS, Module, build
from .layout import DURATIONS, KEYS, MEMORY_WIDTH, OFFSETS, PEDALS, SOUNDING_WIDTH, VELOCITIES, VOICES
from .network import Composer

ROWS = 2
"""The requested conditions, then the guidance reference."""
PREFIX = "composer-"
"""Prefix of the file names."""
NAMES = ("frame", "pedal", "offset", "voice", "key", "velocity", "duration", "note")


def _classes(values: Tensor) -> Tensor:
    return torch.round(values).to(torch.int64)


class Shared(nn.Module):
    """A step whose inputs listed in `chosen` are class indices [1], shared by both rows."""

    def __init__(self, step: nn.Module, chosen: tuple[int, ...]) -> None:
        super().__init__()
        self.step, self.chosen = step, chosen

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        given = [_classes(x).expand(ROWS) if index in self.chosen else x for index, x in enumerate(inputs)]
        return cast("Tensor | tuple[Tensor, ...]", self.step(*given))


class Note(nn.Module):
    """The embeddings of a note [5]; see `NoteGraph`."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, note: Tensor) -> tuple[Tensor, ...]:
        return cast("tuple[Tensor, ...]", self.step(_classes(note)[None]))


def _chosen(name: str, count: int, meaning: str = "") -> Port:
    return Port(name, [1], meaning or f"the chosen {name}, 0..{count - 1}")


def _logits(count: int, meaning: str) -> Port:
    return Port("logits", [ROWS, count], meaning)


BASE = Port("base", [ROWS, WIDTH], "base state of the frame's decoder")
OPENED = Port("opened", [ROWS, WIDTH], "base state of the frame's notes")
STATE = Port("state", [ROWS, WIDTH], "state for the next property of the note")
STATE_NEXT = STATE._replace(name="state_next")
SO_FAR = Port("so_far", [1, WIDTH], "sum of `so_far` over the notes written in this frame")
LAST = Port("last", [1, WIDTH], "`last` of the previous note in this frame, 0 if none")
MELODY = _chosen("melody", KEYS + 1, "the melody's last key, 0..87; 88 before the first")


def _frame(step: nn.Module) -> Graph:
    rings = [
        Port(f"{kind}{layer}", [ROWS, *RING_SHAPE], meaning)
        for layer in range(LAYERS)
        for kind, meaning in (("k", "keys of past frames, any order"), ("v", "values, in the order of the keys"))
    ]
    row = [LAYERS, ROWS, RING_SHAPE[0], 1, HEAD_WIDTH]
    inputs = [
        Port("notes", [1, WIDTH], "sum of `read` over the notes of the previous frame"),
        Port("memory", [1, MEMORY_WIDTH], "counts of what was played at this position in earlier bars"),
        Port("frame", [ROWS, conditions.WIDTH], "conditions of the frame: requested, then guidance reference"),
        Port("fine", [ROWS, OFFSETS, conditions.FINE_WIDTH], "conditions of each offset"),
        Port("sounding", [1, SOUNDING_WIDTH], "keys held, then strings that only the pedal sustains"),
        MELODY,
        _chosen("pedal", PEDALS + 1, "pedal action of the previous frame: 0 up, 1 down, 2 changed, 3 unknown"),
        Port("mask", [SLOTS], "0 for visible slots, -1e9 for the others"),
        Port("cos", [HEAD_WIDTH], "cosines of frame x base^(-2i/64), i = 0..31, repeated once"),
        Port("sin", [HEAD_WIDTH], "sines likewise"),
        *rings,
    ]
    places = [port.name for port in inputs]
    return Graph(
        Shared(step, (places.index("melody"), places.index("pedal"))),
        inputs,
        [
            BASE,
            _logits(PEDALS, "of the pedal action: up at the frame's end, down, lifted and pressed again"),
            Port("k_new", row, "this frame's keys, to be stored in a slot"),
            Port("v_new", row, "this frame's values"),
        ],
    )


def host_graphs(net: Composer) -> dict[str, Graph]:
    """The graphs by file name."""
    steps = build(net)
    fine = Port("fine", [ROWS, conditions.FINE_WIDTH], "conditions at the offset")
    first = Port("first", [1], "1 if the frame has no note yet, otherwise 0")
    graphs = {
        "frame": _frame(steps["frame"]),
        "pedal": Graph(
            Shared(steps["pedal"], (1,)),
            [BASE, _chosen("pedal", PEDALS + 1)],
            [_logits(OFFSETS, "of the offset at which the pedal moves, if it does"), OPENED],
        ),
        "offset": Graph(
            Shared(steps["offset"], ()),
            [OPENED, SO_FAR, LAST, first],
            [STATE, _logits(OFFSETS + 1, "of the next note's offset; the last class ends the frame")],
        ),
        "voice": Graph(
            Shared(steps["voice"], (1,)),
            [STATE, _chosen("offset", OFFSETS), fine],
            [STATE_NEXT, _logits(VOICES, "accompaniment, melody")],
        ),
        "key": Graph(
            Shared(steps["key"], (1, 2)),
            [STATE, _chosen("voice", VOICES), MELODY],
            [STATE_NEXT, _logits(KEYS, "from the lowest key")],
        ),
        "velocity": Graph(
            Shared(steps["velocity"], (1,)),
            [STATE, _chosen("key", KEYS)],
            [STATE_NEXT, _logits(VELOCITIES, "from soft to hard")],
        ),
        "duration": Graph(
            Shared(steps["duration"], (1,)),
            [STATE, _chosen("velocity", VELOCITIES)],
            [_logits(DURATIONS, "from short to long")],
        ),
        "note": Graph(
            Note(steps["note"]),
            [Port("note", [5], "offset, voice, key, velocity, duration")],
            [
                Port("read", [1, WIDTH], "embedding for the next frame"),
                Port("so_far", [1, WIDTH], "embedding for the rest of this frame"),
                Port("last", [1, WIDTH], "embedding for the next note"),
            ],
        ),
    }
    return {PREFIX + name: graphs[name] for name in NAMES}


def as_steps(graphs: dict[str, Graph], modules: dict[str, Module]) -> dict[str, Module]:
    """The daemon's graphs, run by `modules`, as steps for a `Stepper` with two rows."""

    def step(graph: Graph, run: Module) -> Module:
        def call(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
            given = []
            for port, value in zip(graph.inputs, inputs, strict=True):
                fits = list(value.shape) == port.shape
                given.append((value if fits else value[:1].reshape(port.shape)).float())
            return cast("Tensor | tuple[Tensor, ...]", run(*given))

        return call

    return {name.removeprefix(PREFIX): step(graph, modules[name]) for name, graph in graphs.items()}
