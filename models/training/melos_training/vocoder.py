"""The vocoder, which maps log-mels to complex spectra, causally except for a look-ahead of two mel frames.

A time-invariant network cannot track a partial whose phase advance per hop is not a simple fraction of a turn, because
the same input would have to give different outputs. The vocoder therefore predicts three vectors for every bin, whose
lengths express their confidence: the phase advance since the previous frame (`turn`), the phase difference from the bin
below (`slope`) and the phase itself (`anchor`, most reliable at onsets). `direction` rotates the previous output by the
turn, adds the anchor, and propagates the result between neighbouring bins, from louder to softer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .constants import BINS, LOG_FLOOR, LOOK_AHEAD, MEL_BANDS, MEL_MEAN, MEL_SCALE
from .layers import Block, Carry, CausalConv
from .mel import filter_bank

SHARING_ROUNDS = 2
"""Number of propagation steps between neighbouring bins."""
SOFTNESS = 0.1
"""Confidence below which a bin's output shrinks, so that rounding errors cannot make its phase jump."""
FLOOR = (LOG_FLOOR - MEL_MEAN) / MEL_SCALE


Pair = tuple[Tensor, Tensor]
"""Real and imaginary parts."""


def _times(a: Pair, b: Pair) -> Pair:
    """Returns the complex product of two pairs."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _from_below(x: Tensor) -> Tensor:
    return F.pad(x, (1, 0))[..., :-1]


def _from_above(x: Tensor) -> Tensor:
    return F.pad(x, (0, 1))[..., 1:]


def direction(magnitude: Tensor, turn: Pair, slope: Pair, anchor: Pair, previous: Pair) -> Pair:
    """Returns the phasors [..., 1025] of a frame, given its predictions and the phasors of the `previous` frame.

    The phasors returned have length 1, or less where confidence is low. Odd bins are negated, so that neighbouring
    bins of a partial have the same phase.
    """
    real, imag = _times(turn, previous)
    s = magnitude * (real + anchor[0]), magnitude * (imag + anchor[1])
    down = _from_above(slope[0]), -_from_above(slope[1])
    for _ in range(SHARING_ROUNDS):
        below = _times(slope, (_from_below(s[0]), _from_below(s[1])))
        above = _times(down, (_from_above(s[0]), _from_above(s[1])))
        s = s[0] + below[0] + above[0], s[1] + below[1] + above[1]
    scale = torch.rsqrt(s[0].square() + s[1].square() + (SOFTNESS * magnitude).square() + 1e-18)
    return s[0] * scale, s[1] * scale


class Vocoder(nn.Module):
    """The vocoder's network, for whole sequences or streaming."""

    spread: Tensor
    sign: Tensor

    def __init__(self, channels: int = 256, blocks: int = 8) -> None:
        super().__init__()
        self.enter = CausalConv(MEL_BANDS, channels, 7)
        self.enter_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList([Block(channels, scale=1 / blocks) for _ in range(blocks)])
        self.norm = nn.LayerNorm(channels)
        self.magnitude = nn.Linear(channels, BINS)
        self.phase = nn.Linear(channels, 6 * BINS)
        nn.init.zeros_(self.magnitude.weight)
        nn.init.zeros_(self.magnitude.bias)
        bank = filter_bank()
        # Distributes the magnitudes of bands over bins; bins outside all bands start at the floor.
        spread = (bank / bank.sum(1, keepdim=True)) / bank.sum(0, keepdim=True).clamp(min=1e-8)
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("sign", 1.0 - 2.0 * (torch.arange(BINS) % 2), persistent=False)

    def predict(self, mel: Tensor, carry: Carry) -> tuple[Tensor, Pair, Pair, Pair]:
        """Returns magnitude [batch, frames, 1025], turn, slope and anchor (pairs of this shape), two frames late."""
        # The input is shifted so that silence is 0, because a state of zeros must mean preceding silence.
        x = self.enter_norm(self.enter((mel - MEL_MEAN) / MEL_SCALE - FLOOR, carry))
        for block in self.blocks:
            x = block(x, carry)
        x = self.norm(x)
        late = carry.prepend_past(mel.exp(), LOOK_AHEAD)[:, : mel.shape[1]]
        with torch.autocast(mel.device.type, enabled=False):
            base = torch.log(late @ self.spread + 1e-5)
        log_magnitude = base + self.magnitude(x).float()
        parts = self.phase(x).float().split(BINS, 2)
        magnitude = log_magnitude.clamp(-14, 7).exp()
        return magnitude, (parts[0], parts[1]), (parts[2], parts[3]), (parts[4], parts[5])

    def integrate(self, magnitude: Tensor, turn: Pair, slope: Pair, anchor: Pair, previous: Pair) -> Pair:
        """Returns the phasors of all frames. `previous` is a pair [batch, 1025], zeros at the start."""
        frames = []
        for t in range(magnitude.shape[1]):
            frame_turn, frame_slope, frame_anchor = ((pair[0][:, t], pair[1][:, t]) for pair in (turn, slope, anchor))
            previous = direction(magnitude[:, t], frame_turn, frame_slope, frame_anchor, previous)
            frames.append(previous)
        return torch.stack([f[0] for f in frames], 1), torch.stack([f[1] for f in frames], 1)

    def forward(self, mel: Tensor, carry: Carry | None = None) -> Pair:
        """Returns real and imaginary spectra [batch, frames, 1025]; frame i corresponds to mel frame i - 2."""
        streaming = carry is not None
        carry = carry or Carry()
        magnitude, turn, slope, anchor = self.predict(mel, carry)
        if streaming:
            previous = carry.take(BINS), carry.take(BINS)
        else:
            previous = torch.zeros_like(magnitude[:, 0]), torch.zeros_like(magnitude[:, 0])
        real, imag = self.integrate(magnitude, turn, slope, anchor, previous)
        if streaming:
            carry.keep(real[:, -1])
            carry.keep(imag[:, -1])
        scaled = magnitude * self.sign
        return scaled * real, scaled * imag

    def state_size(self) -> int:
        """Returns the size of the packed state."""
        carry = Carry()
        self.predict(torch.zeros(1, 8, MEL_BANDS), carry)
        return carry.size + 2 * BINS
