"""A small note detector: a convolutional network from log-mels to note onsets.

The note detector is trained on the `valid` shards, which no Melos network was trained on; its accuracy is measured on
the `test` shards.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arrays import Array, Floats
from ..constants import FRAMES_PER_SECOND, MEL_BANDS, MEL_MEAN, MEL_SCALE
from ..data import Shard

LOWEST, KEYS = 21, 88
TOLERANCE = 0.05
"""Seconds an onset may be off, as in MIREX."""
BATCH, FRAMES = 8, 256
THRESHOLD = 0.4


class Detector(nn.Module):
    """Log-mel [batch, frames, 128] to logits of onsets [batch, frames, 88]."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(MEL_BANDS, width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(width, width, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(width, KEYS, 1),
        )

    def forward(self, mel: Tensor) -> Tensor:
        return self.net(((mel - MEL_MEAN) / MEL_SCALE).transpose(1, 2)).transpose(1, 2)


def targets(notes: Array, frames: int) -> Floats:
    """1 at the frame of each onset, and half on both sides."""
    roll: Floats = np.zeros((frames, KEYS), np.float32)
    at = np.round(notes[:, 0] * FRAMES_PER_SECOND).astype(int)
    key = notes[:, 2].astype(int) - LOWEST
    for offset, value in ((-1, 0.5), (1, 0.5), (0, 1.0)):
        inside = (at + offset >= 0) & (at + offset < frames) & (key >= 0) & (key < KEYS)
        index = at[inside] + offset, key[inside]
        roll[index] = np.maximum(roll[index], value)
    return roll


def train(shards: Sequence[Shard], steps: int, seed: int = 0) -> Detector:
    """A detector trained on `shards`, levels changed by up to 12 dB."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    songs = [
        (s.read("mel").astype(np.float32), targets(s.read("notes"), s.frames)) for s in shards if s.frames > FRAMES
    ]
    detector = Detector()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        batch = []
        for _ in range(BATCH):
            song, notes = songs[rng.integers(len(songs))]
            start = rng.integers(len(song) - FRAMES)
            batch.append((song[start : start + FRAMES] + rng.uniform(-1.4, 1.4), notes[start : start + FRAMES]))
        mel, roll = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*batch))
        loss = F.binary_cross_entropy_with_logits(detector(mel), roll, pos_weight=torch.tensor(4.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return detector.eval().requires_grad_(False)


def transcribe(detector: Detector, mel: Floats) -> Floats:
    """Onsets [n, 2] (seconds, pitch) in a log-mel, in order."""
    chance = torch.sigmoid(detector(torch.from_numpy(np.ascontiguousarray(mel, np.float32))[None]))[0].numpy()
    before, after = np.pad(chance, ((1, 0), (0, 0)))[:-1], np.pad(chance, ((0, 1), (0, 0)))[1:]
    frame, key = np.nonzero((chance > THRESHOLD) & (chance >= before) & (chance > after))
    return np.stack([frame / FRAMES_PER_SECOND, key + LOWEST], 1)


def onset_scores(found: Array, truth: Array, tolerance: float = TOLERANCE) -> tuple[float, float, float]:
    """Precision, recall and F1 of onsets [n, 2], each used once, of the same pitch within the tolerance."""
    hits = 0
    for pitch in np.unique(truth[:, 1]):
        ours, theirs = (np.sort(x[x[:, 1] == pitch, 0]) for x in (found, truth))
        i = 0
        for time in theirs:
            while i < len(ours) and ours[i] < time - tolerance:
                i += 1
            if i < len(ours) and ours[i] <= time + tolerance:
                hits, i = hits + 1, i + 1
    precision, recall = hits / max(len(found), 1), hits / max(len(truth), 1)
    return precision, recall, 2 * hits / max(len(found) + len(truth), 1)
