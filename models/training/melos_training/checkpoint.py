"""Reads checkpoints, and writes them atomically."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

Checkpoint = dict[str, Any]
"""
The contents of a checkpoint. The composer's has other keys (`composer/training.py`).

`model`, `average`: the weights, and their exponential moving average, which is evaluated and exported.
`step`, `spent`: total steps and seconds of training.
`optimizer`, `run`, `precision`, `pending`, `processes`: the state needed to resume; absent from adopted weights,
except for the pianist's `run`.
"""


def save(value: Checkpoint, path: Path) -> None:
    """Writes a checkpoint atomically."""
    temporary = path.with_suffix(".tmp")
    torch.save(value, temporary)
    temporary.replace(path)


def read(path: Path) -> Checkpoint | None:
    """Reads a checkpoint into main memory; returns `None` if the file does not exist."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def load_average(model: nn.Module, path: Path) -> Checkpoint:
    """Loads the averaged weights of a checkpoint into `model`, for inference; returns the checkpoint."""
    saved: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["average"])
    model.eval().requires_grad_(False)
    return saved
