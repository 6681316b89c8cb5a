"""Seeds, saves and restores all random generators of a process, so that interrupted training resumes exactly."""

import random
from typing import Any

import numpy as np
import torch


def seed_generators(seed: int, rank: int) -> np.random.Generator:
    """Seeds PyTorch and Python, and returns the generator for drawing windows, which differs between processes.

    Networks must be created between this call and `diverge`, so that all processes have the same initial weights.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    return np.random.default_rng(seed if rank == 0 else [seed, rank])


def diverge(seed: int, rank: int) -> None:
    """Gives every process but the first its own seed; the first draws the same numbers as a single process would."""
    if rank:
        state = np.random.SeedSequence([seed, rank]).generate_state(2)
        torch.manual_seed(int(state[0]))
        random.seed(int(state[1]))


def capture(rng: np.random.Generator, device: torch.device) -> dict[str, Any]:
    """Returns the state of all generators, as plain values and tensors."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": dict(rng.bit_generator.state),
        "python": [version, list(numbers), gauss],
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], rng: np.random.Generator, device: torch.device) -> None:
    """Restores a state from `capture`."""
    torch.set_rng_state(state["torch"])
    rng.bit_generator.state = state["numpy"]
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
