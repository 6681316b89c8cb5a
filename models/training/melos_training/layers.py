"""Layers for sequences [batch, time, channels], whole or streamed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Carry:
    """The past frames that causal layers need.

    Whole sequences are preceded by zeros. When streaming, past frames come from a packed `state` [1, size], and
    `packed` returns the state for the next step. Both ways give the same results.
    """

    def __init__(self, state: Tensor | None = None) -> None:
        self._state = state
        self._kept: list[Tensor] = []
        self.size = 0
        """Values taken from the state so far; for a whole sequence, those that streaming would have taken."""

    def prepend_past(self, x: Tensor, frames: int) -> Tensor:
        """Prepends the `frames` preceding frames to `x` [batch, time, channels]."""
        channels = x.shape[2]
        count = frames * channels
        if self._state is None:
            joined = F.pad(x, (0, 0, frames, 0))
        else:
            joined = torch.cat([self.take(count).view(1, frames, channels), x], 1)
            self.keep(joined[:, joined.shape[1] - frames :].reshape(1, count))
        if self._state is None:
            self.size += count
        return joined

    def take(self, count: int) -> Tensor:
        """Removes and returns the next `count` values of the state, [1, count]."""
        if self._state is None:
            raise ValueError("a whole sequence has no state")
        part = self._state[:, self.size : self.size + count]
        self.size += count
        return part

    def keep(self, part: Tensor) -> None:
        """Appends `part` [1, count] to the next state."""
        self._kept.append(part)

    def packed(self) -> Tensor:
        """Returns the state for the next step, [1, size]."""
        return torch.cat(self._kept, 1)


class CausalConv(nn.Module):
    """A causal convolution over `kernel` frames, computed as one matrix product over concatenated frames."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.mix = nn.Linear(inputs * kernel, outputs)

    def forward(self, x: Tensor, carry: Carry) -> Tensor:
        time = x.shape[1]
        joined = carry.prepend_past(x, self.kernel - 1)
        return self.mix(torch.cat([joined[:, i : i + time] for i in range(self.kernel)], 2))


class Block(nn.Module):
    """A ConvNeXt block: depthwise convolution over 7 frames, normalisation, expanding MLP, scaled residual.

    The convolution is causal with a `Carry`, otherwise centred.
    """

    KERNEL = 7

    def __init__(self, channels: int, widen: int = 3, scale: float = 0.2) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, (1, self.KERNEL), groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, widen * channels)
        self.down = nn.Linear(widen * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        if carry is None:
            half = self.KERNEL // 2
            y = F.pad(x, (0, 0, half, half))
        else:
            y = carry.prepend_past(x, self.KERNEL - 1)
        # bfloat16 does not make the depthwise convolution faster.
        with torch.autocast(x.device.type, enabled=False):
            y = self.depthwise(y.float().transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
        y = self.down(F.gelu(self.up(self.norm(y)), approximate="tanh"))
        return x + y * self.scale
