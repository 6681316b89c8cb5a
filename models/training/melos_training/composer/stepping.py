"""Runs the graphs one latent at a time, as the daemon does, with a masked ring buffer as the KV cache."""

import numpy as np
import torch
from torch import Tensor

from .blocks import LAYERS, WIDTH, WINDOW, rotary
from .graphs import RING_SHAPE, SLOTS, Module, build
from .layout import IntArray
from .network import Composer


class Stepper:
    """The graphs and the state they carry from latent to latent, for a batch of `rows`."""

    def __init__(self, graphs: dict[str, Module], rows: int) -> None:
        self.graphs = graphs
        self.rows = rows
        self._rings = [torch.zeros(rows, *RING_SHAPE) for _ in range(2 * LAYERS)]
        self._latent = 0
        self._read = torch.zeros(rows, WIDTH)

    @classmethod
    def of(cls, net: Composer, rows: int) -> "Stepper":
        """Creates a stepper that runs a network in PyTorch."""
        return cls(dict(build(net.eval())), rows)

    @torch.no_grad()
    def begin(
        self, memory: Tensor, coarse: Tensor, fine: Tensor, sounding: Tensor, melody: Tensor, pedal: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Begins a latent: returns the decoder's base state and the logits of the pedal action."""
        mask = torch.full((SLOTS,), -1e9)
        mask[[index % SLOTS for index in range(max(0, self._latent - WINDOW + 1), self._latent)]] = 0
        cos, sin = rotary(torch.tensor([self._latent]))
        base, logits, keys, values = self.graphs["frame"](
            self._read, memory, coarse, fine, sounding, melody, pedal, mask, cos[0], sin[0], *self._rings
        )
        slot = self._latent % SLOTS
        for layer in range(LAYERS):
            self._rings[2 * layer][:, :, slot] = keys[layer, :, :, 0]
            self._rings[2 * layer + 1][:, :, slot] = values[layer, :, :, 0]
        self._latent += 1
        self._read = torch.zeros(self.rows, WIDTH)
        return base, logits

    @torch.no_grad()
    def open(self, base: Tensor, pedal: Tensor) -> tuple[Tensor, "NoteWriter"]:
        """Sets the pedal action, and returns the logits of its offset and the writer of the latent's notes."""
        logits, opened = self.graphs["pedal"](base, pedal)
        return logits, NoteWriter(self, opened)

    def add_notes(self, rows: Tensor, read: Tensor) -> None:
        """Adds the embeddings of notes to the input of the next latent."""
        self._read[rows] += read


class NoteWriter:
    """Predicts offsets and appends notes in one latent, one note at a time; callers omit rows without further notes."""

    def __init__(self, stepper: Stepper, opened: Tensor) -> None:
        self._stepper = stepper
        self._opened = opened
        self._so_far = torch.zeros(len(opened), WIDTH)
        self._last = torch.zeros(len(opened), WIDTH)
        self._first = torch.ones(len(opened), 1)

    @torch.no_grad()
    def offset(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the state and the logits of the next note's offset in `rows`."""
        return self._stepper.graphs["offset"](
            self._opened[rows], self._so_far[rows], self._last[rows], self._first[rows]
        )

    @torch.no_grad()
    def write(self, rows: Tensor, notes: IntArray | Tensor) -> None:
        """Appends one note [5] in each of `rows`."""
        read, so_far, last = self._stepper.graphs["note"](torch.as_tensor(np.asarray(notes)))
        self._stepper.add_notes(rows, read)
        self._so_far[rows] += so_far
        self._last[rows] = last
        self._first[rows] = 0
