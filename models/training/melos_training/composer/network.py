"""The composer: a causal transformer over latents, and a decoder that writes the notes of a latent one at a time."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import conditions
from .blocks import LAYERS, WIDTH, Block, Head, Layer, NoteSum, embedding, rotary, window_mask
from .layout import DURATIONS, KEYS, MEMORY_WIDTH, OFFSETS, PEDALS, SOUNDING_WIDTH, VELOCITIES, VOICES

BODY = 768
"""Hidden width of the blocks for offset and key."""
PART = 384
"""Hidden width of the other blocks of the decoder."""
END = OFFSETS
"""The offset class that ends a latent."""
MAX_INTERVAL = 24
"""Largest interval from the melody's last key, in semitones, that has its own logit."""
MASKED_LOGIT = -1e9
"""Logit of an impossible choice."""


@dataclass
class Batch:
    """Collated windows: B windows of T latents, N notes to predict, M notes to read, E memory entries."""

    coarse: Tensor
    """Latent conditions [B, T, 66]."""
    fine: Tensor
    """Conditions of the offsets [B, T, 8, 32]."""
    sounding: Tensor
    """[B, T, 176]."""
    melody: Tensor
    """The melody's last key before each latent [B, T], 0..88."""
    pedal_before: Tensor
    """[B, T], 0..3."""
    pedal: Tensor
    """[B, T], 0..3."""
    pedal_offset: Tensor
    """[B, T], −1..7."""
    read_latent: Tensor
    """The latent that follows each note to read, 0..B·T−1 [M]."""
    read: Tensor
    """The notes to read [M, 5]."""
    note_latent: Tensor
    """The latent, 0..B·T−1, of each note to predict, in ascending order [N]."""
    note: Tensor
    """The notes to predict [N, 5]."""
    memory_start: Tensor
    """Index of each latent's first memory entry [B·T]."""
    memory_column: Tensor
    """Column of each memory entry [E]."""
    memory_weight: Tensor
    """Weight of each memory entry [E]."""

    def to(self, device: torch.device) -> "Batch":
        """Moves the batch to a device."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass
class Losses:
    """Negative log-likelihoods of all choices, in nats."""

    pedal: Tensor
    """[B·T]; 0 if the pedal is not recorded. Includes the offset of its movement."""
    offset: Tensor
    """[N + B·T]: all notes, then the ends of all latents."""
    voice: Tensor
    """[N]."""
    key: Tensor
    """[N]."""
    velocity: Tensor
    """[N]; 0 if unknown."""
    duration: Tensor
    """[N]."""
    logits: dict[str, Tensor]
    """Logits of key, velocity, duration and offset, for metrics."""

    def parts(self) -> dict[str, Tensor]:
        """Returns the sum of each part."""
        names = ("pedal", "offset", "voice", "key", "velocity", "duration")
        return {name: getattr(self, name).sum() for name in names}


class Composer(nn.Module):
    """The network.

    Its inputs are the notes and pedal of the previous latent, the sounding keys, the melody's last key, the memory, and
    the conditions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes = NoteSum()
        self.tell = nn.Linear(conditions.WIDTH, WIDTH)
        self.tell_fine = nn.Linear(OFFSETS * conditions.FINE_WIDTH, WIDTH, bias=False)
        self.sounding = nn.Linear(SOUNDING_WIDTH, WIDTH, bias=False)
        self.melody = embedding(KEYS + 1, WIDTH)
        self.pedal_before = embedding(PEDALS + 1, WIDTH)
        self.memory = embedding(MEMORY_WIDTH, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)

        self.from_context = nn.Linear(WIDTH, WIDTH)
        self.from_input = nn.Linear(WIDTH, WIDTH)
        self.input_norm = nn.LayerNorm(WIDTH)
        self.pedal_block = Block(WIDTH, PART)
        self.pedal_head = Head(PEDALS)
        self.pedal_state = embedding(PEDALS + 1, WIDTH)
        self.pedal_offset_head = Head(OFFSETS)

        self.so_far = NoteSum()
        self.last = NoteSum()
        self.start = nn.Parameter(torch.zeros(WIDTH))
        self.body = nn.Sequential(Block(WIDTH, BODY), Block(WIDTH, BODY))
        self.offset_head = Head(OFFSETS + 1)
        self.offset = embedding(OFFSETS, WIDTH)
        self.fine = nn.Linear(conditions.FINE_WIDTH, WIDTH, bias=False)
        self.voice_block = Block(WIDTH, PART)
        self.voice_head = Head(VOICES)
        self.voice = embedding(VOICES, WIDTH)
        self.tune = embedding(KEYS + 1, WIDTH)
        self.key_block = Block(WIDTH, BODY)
        self.key_head = Head(KEYS)
        self.interval_head = Head(2 * MAX_INTERVAL + 2)
        self.key = embedding(KEYS, WIDTH)
        self.velocity_block = Block(WIDTH, PART)
        self.velocity_head = Head(VELOCITIES)
        self.velocity = embedding(VELOCITIES + 1, WIDTH)
        self.duration_block = Block(WIDTH, PART)
        self.duration_head = Head(DURATIONS)

    # The transformer.

    def enter(
        self,
        notes: Tensor,
        memory: Tensor,
        coarse: Tensor,
        fine: Tensor,
        sounding: Tensor,
        melody: Tensor,
        pedal: Tensor,
    ) -> Tensor:
        """Returns the transformer's input [..., 256].

        `notes` and `memory` [..., 256] are summed embeddings; the other arguments are as in `Batch`.
        """
        conditions = self.tell(coarse) + self.tell_fine(fine.flatten(-2)) + self.sounding(sounding)
        return notes + memory + conditions + self.melody(melody) + self.pedal_before(pedal)

    def decide(self, entered: Tensor, context: Tensor) -> Tensor:
        """Returns the decoder's base state, given the transformer's input and output for a latent, all [..., 256]."""
        return self.from_context(self.norm(context)) + self.from_input(self.input_norm(entered))

    def base(self, batch: Batch) -> Tensor:
        """Returns the decoder's base state for every latent, [B · T, 256]."""
        windows, length, _ = batch.coarse.shape
        read = self.notes(batch.read)
        notes = torch.zeros(windows * length, WIDTH, device=read.device, dtype=read.dtype)
        notes = notes.index_add(0, batch.read_latent, read).view(windows, length, WIDTH)
        memory = F.embedding_bag(
            batch.memory_column,
            self.memory.weight,
            batch.memory_start,
            mode="sum",
            per_sample_weights=batch.memory_weight,
        ).view(windows, length, WIDTH)
        entered = self.enter(notes, memory, batch.coarse, batch.fine, batch.sounding, batch.melody, batch.pedal_before)
        cos, sin = rotary(torch.arange(length, device=entered.device))
        mask = window_mask(length, entered.device)
        x = entered
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.decide(entered, x).view(windows * length, WIDTH)

    # The decoder: the pedal; then, for each note, the offset (or the end), voice, key, velocity and duration.

    def pedal_logits(self, base: Tensor) -> Tensor:
        """Returns the logits [..., 3] of the pedal action."""
        return self.pedal_head(self.pedal_block(base))

    def pedal_offset_logits(self, base: Tensor, pedal: Tensor) -> Tensor:
        """Returns the logits [..., 8] of the offset at which the pedal moves, if it does."""
        return self.pedal_offset_head(self.pedal_block(base) + self.pedal_state(pedal))

    def open(self, base: Tensor, pedal: Tensor) -> Tensor:
        """Returns the base state of the notes, given the pedal action [...]."""
        return base + self.pedal_state(pedal)

    def offset_logits(self, opened: Tensor, so_far: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the next state and the logits [..., 9] of the next note's offset; the last class ends the latent."""
        state = self.body(opened + so_far + last)
        return state, self.offset_head(state)

    def voice_logits(self, state: Tensor, offset: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the next state and the logits [..., 2] of the voice.

        `fine` [..., 32] are the conditions at the offset.
        """
        state = self.voice_block(state + self.offset(offset) + self.fine(fine))
        return state, self.voice_head(state)

    def key_logits(self, state: Tensor, voice: Tensor, melody: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the next state and the logits [..., 88] of the key; `melody` is the melody's last key, 0..88.

        For melody notes, the logits of the interval from the melody's last key are added; each interval has one logit,
        whatever key it starts from.
        """
        state = self.key_block(state + self.voice(voice) + self.tune(melody))
        interval = torch.arange(KEYS, device=state.device) - melody[..., None]
        column = torch.where(
            (melody[..., None] < KEYS) & (interval.abs() <= MAX_INTERVAL), interval + MAX_INTERVAL, 2 * MAX_INTERVAL + 1
        )
        steps = self.interval_head(state).gather(-1, column) * voice[..., None].to(state.dtype)
        return state, self.key_head(state) + steps

    def velocity_logits(self, state: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the next state and the logits [..., 32] of the velocity."""
        state = self.velocity_block(state + self.key(key))
        return state, self.velocity_head(state)

    def duration_logits(self, state: Tensor, velocity: Tensor) -> Tensor:
        """Returns the logits [..., 24] of the duration."""
        return self.duration_head(self.duration_block(state + self.velocity(velocity)))

    def losses(self, batch: Batch) -> Losses:
        """Returns the losses of all choices, each conditioned on the true choices before it."""
        base = self.base(batch).float()
        latents, notes = len(base), len(batch.note)
        pedal, pedal_offset = batch.pedal.flatten(), batch.pedal_offset.flatten()
        recorded = pedal < PEDALS
        pedal_loss = _nll(self.pedal_logits(base), pedal.clamp(max=PEDALS - 1)) * recorded
        moves = torch.nonzero(pedal_offset >= 0)[:, 0]
        moved = _nll(self.pedal_offset_logits(base[moves], pedal[moves]), pedal_offset[moves])
        pedal_loss = pedal_loss.index_add(0, moves, moved)

        opened = self.open(base, pedal)
        offset, voice, key, velocity, duration = batch.note.unbind(1)
        index = torch.arange(notes, device=base.device)
        every_latent = torch.arange(latents, device=base.device)
        first = torch.searchsorted(batch.note_latent, every_latent)
        after = torch.searchsorted(batch.note_latent, every_latent, right=True)
        start = first[batch.note_latent]
        sums = torch.cat([torch.zeros(1, WIDTH, device=base.device), self.so_far(batch.note).cumsum(0)])
        last = torch.cat([self.last(batch.note), self.start[None]])
        before = torch.where(index > start, index - 1, notes)
        ended = torch.where(after > first, after - 1, notes)
        so_far = torch.cat([sums[index] - sums[start], sums[after] - sums[first]])
        state, logits = self.offset_logits(
            torch.cat([opened[batch.note_latent], opened]), so_far, last[torch.cat([before, ended])]
        )
        # Within a latent, offsets never descend, and keys at the same offset ascend.
        lowest = torch.where(index > start, offset[(index - 1).clamp(min=0)], 0) if notes else offset
        too_early = torch.arange(OFFSETS + 1, device=base.device)[None] < lowest[:, None]
        offset_logits = torch.cat([logits[:notes].float().masked_fill(too_early, MASKED_LOGIT), logits[notes:].float()])
        offset_loss = _nll(offset_logits, torch.cat([offset, torch.full_like(every_latent, END)]))

        state = state[:notes]
        fine = batch.fine.view(latents, OFFSETS, -1)[batch.note_latent, offset]
        state, voice_logits = self.voice_logits(state, offset, fine)
        state, key_logits = self.key_logits(state, voice, self._melody_before(batch))
        chord = (index > start) & (offset == lowest)
        too_low = (
            torch.arange(KEYS, device=base.device)[None] <= key[(index - 1).clamp(min=0)][:, None] if notes else None
        )
        if too_low is not None:
            key_logits = key_logits.float().masked_fill(too_low & chord[:, None], MASKED_LOGIT)
        state, velocity_logits = self.velocity_logits(state, key)
        duration_logits = self.duration_logits(state, velocity)
        is_known = velocity < VELOCITIES
        return Losses(
            pedal_loss,
            offset_loss,
            _nll(voice_logits, voice),
            _nll(key_logits, key),
            _nll(velocity_logits, velocity.clamp(max=VELOCITIES - 1)) * is_known,
            _nll(duration_logits, duration),
            {"key": key_logits, "velocity": velocity_logits, "duration": duration_logits, "offset": offset_logits},
        )

    def _melody_before(self, batch: Batch) -> Tensor:
        """Returns the melody's last key before each note [N]."""
        notes = len(batch.note)
        index = torch.arange(notes, device=batch.note.device)
        melody = torch.where(batch.note[:, 1] == 1, index, -1)
        latest = torch.cat([melody.new_full((1,), -1), melody.cummax(0).values])[:notes] if notes else melody
        same = (latest >= 0) & (batch.note_latent[latest.clamp(min=0)] == batch.note_latent)
        return torch.where(same, batch.note[latest.clamp(min=0), 2], batch.melody.flatten()[batch.note_latent])


def _nll(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), target, reduction="none")
