"""The network as the daemon runs it: graphs with static shapes and two rows, the second for guidance.

Inputs that both rows share have a single row. All inputs are float32; class indices are rounded. The transformer, which
takes most of the time, can also run with the first row alone.
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
"""Rows of a batch: the requested conditions, then the guidance reference."""
PREFIX = "composer-"
"""Prefix of the file names."""
NAMES = ("frame", "pedal", "offset", "voice", "key", "velocity", "duration", "note")


def _classes(values: Tensor) -> Tensor:
    return torch.round(values).to(torch.int64)


class Shared(nn.Module):
    """A step in which all rows share the class indices [1] at the input positions `shared`.

    The number of rows is that of the input at position `counted`, if given.
    """

    def __init__(self, step: nn.Module, shared: tuple[int, ...], counted: int | None = None) -> None:
        super().__init__()
        self.step, self.shared, self.counted = step, shared, counted

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        rows = ROWS if self.counted is None else inputs[self.counted].shape[0]
        expanded = [_classes(x).expand(rows) if index in self.shared else x for index, x in enumerate(inputs)]
        return cast("Tensor | tuple[Tensor, ...]", self.step(*expanded))


class Note(nn.Module):
    """A `NoteGraph` whose input is a single note [5]."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, note: Tensor) -> tuple[Tensor, ...]:
        return cast("tuple[Tensor, ...]", self.step(_classes(note)[None]))


def _class(name: str, count: int, meaning: str = "") -> Port:
    return Port(name, [1], meaning or f"the chosen {name}, 0..{count - 1}")


def _logits(count: int, meaning: str) -> Port:
    return Port("logits", [ROWS, count], meaning)


BASE = Port("base", [ROWS, WIDTH], "base state of the decoder in this latent")
OPENED = Port("opened", [ROWS, WIDTH], "base state of the notes in this latent")
STATE = Port("state", [ROWS, WIDTH], "state for the next property of the note")
STATE_NEXT = STATE._replace(name="state_next")
SO_FAR = Port("so_far", [1, WIDTH], "sum of `so_far` over the notes written in this latent")
LAST = Port("last", [1, WIDTH], "`last` of the previous note in this latent, 0 if none")
MELODY = _class("melody", KEYS + 1, "the melody's last key, 0..87; 88 before the first")


def _transformer(step: nn.Module) -> Graph:
    rings = [
        Port(f"{kind}{layer}", [ROWS, *RING_SHAPE], meaning)
        for layer in range(LAYERS)
        for kind, meaning in (("k", "keys of past latents, in any order"), ("v", "values, in the order of the keys"))
    ]
    row = [LAYERS, ROWS, RING_SHAPE[0], 1, HEAD_WIDTH]
    inputs = [
        Port("notes", [1, WIDTH], "sum of `read` over the notes of the previous latent"),
        Port("memory", [1, MEMORY_WIDTH], "counts of what was played at this position in earlier bars"),
        Port("frame", [ROWS, conditions.WIDTH], "conditions of the latent: requested, then guidance reference"),
        Port("fine", [ROWS, OFFSETS, conditions.FINE_WIDTH], "conditions of each offset"),
        Port("sounding", [1, SOUNDING_WIDTH], "keys held, then strings that only the pedal sustains"),
        MELODY,
        _class("pedal", PEDALS + 1, "pedal action of the previous latent: 0 up, 1 down, 2 changed, 3 unknown"),
        Port("mask", [SLOTS], "0 for visible slots, -1e9 for the others"),
        Port("cos", [HEAD_WIDTH], "cosines of latent x base^(-2i/64), i = 0..31, repeated once"),
        Port("sin", [HEAD_WIDTH], "sines likewise"),
        *rings,
    ]
    names = [port.name for port in inputs]
    return Graph(
        Shared(step, (names.index("melody"), names.index("pedal")), names.index("frame")),
        inputs,
        [
            BASE,
            _logits(PEDALS, "of the pedal action: up at the end of the latent, down, lifted and pressed again"),
            Port("k_new", row, "keys of this latent, to be stored in a slot"),
            Port("v_new", row, "values of this latent"),
        ],
        free_rows=("frame", "fine", *(port.name for port in rings)),
    )


def host_graphs(net: Composer) -> dict[str, Graph]:
    """Builds the graphs, by file name."""
    steps = build(net)
    fine = Port("fine", [ROWS, conditions.FINE_WIDTH], "conditions at the offset")
    first = Port("first", [1], "1 if the latent has no note yet, otherwise 0")
    graphs = {
        "frame": _transformer(steps["frame"]),
        "pedal": Graph(
            Shared(steps["pedal"], (1,)),
            [BASE, _class("pedal", PEDALS + 1)],
            [_logits(OFFSETS, "of the offset at which the pedal moves, if it does"), OPENED],
        ),
        "offset": Graph(
            Shared(steps["offset"], ()),
            [OPENED, SO_FAR, LAST, first],
            [STATE, _logits(OFFSETS + 1, "of the next note's offset; the last class ends the latent")],
        ),
        "voice": Graph(
            Shared(steps["voice"], (1,)),
            [STATE, _class("offset", OFFSETS), fine],
            [STATE_NEXT, _logits(VOICES, "accompaniment, melody")],
        ),
        "key": Graph(
            Shared(steps["key"], (1, 2)),
            [STATE, _class("voice", VOICES), MELODY],
            [STATE_NEXT, _logits(KEYS, "from the lowest key")],
        ),
        "velocity": Graph(
            Shared(steps["velocity"], (1,)),
            [STATE, _class("key", KEYS)],
            [STATE_NEXT, _logits(VELOCITIES, "from soft to hard")],
        ),
        "duration": Graph(
            Shared(steps["duration"], (1,)),
            [STATE, _class("velocity", VELOCITIES)],
            [_logits(DURATIONS, "from short to long")],
        ),
        "note": Graph(
            Note(steps["note"]),
            [Port("note", [5], "offset, voice, key, velocity, duration")],
            [
                Port("read", [1, WIDTH], "embedding for the next latent"),
                Port("so_far", [1, WIDTH], "embedding for the rest of this latent"),
                Port("last", [1, WIDTH], "embedding for the next note"),
            ],
        ),
    }
    return {PREFIX + name: graphs[name] for name in NAMES}


def as_steps(graphs: dict[str, Graph], modules: dict[str, Module]) -> dict[str, Module]:
    """Adapts the daemon's graphs, run by `modules`, to the steps that a `Stepper` with two rows calls."""

    def step(graph: Graph, run: Module) -> Module:
        def call(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
            reshaped = []
            for port, value in zip(graph.inputs, inputs, strict=True):
                matches = list(value.shape) == port.shape
                reshaped.append((value if matches else value[:1].reshape(port.shape)).float())
            return cast("Tensor | tuple[Tensor, ...]", run(*reshaped))

        return call

    return {name.removeprefix(PREFIX): step(graph, modules[name]) for name, graph in graphs.items()}
