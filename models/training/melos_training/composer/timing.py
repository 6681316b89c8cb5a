"""Measures the processor time of the exported composer on this machine."""

import time
from pathlib import Path

import numpy as np
import torch

from .host import PREFIX, host_graphs
from .layout import LATENT_SECONDS
from .network import Composer
from .runtime import open_graphs

CALLS = 300
DENSITIES = (5, 15)
"""Densities for which the load is reported, in notes per second."""
NOTE_GRAPHS = ("offset", "voice", "key", "velocity", "duration", "note")


def measure(model: Path) -> None:
    """Prints the median processor time of each graph on one thread, and the share of a core needed for playing."""
    graphs = host_graphs(Composer())
    seconds = {}
    for name, run in open_graphs(model, graphs).items():
        inputs = [torch.rand(port.shape) for port in graphs[name].inputs]
        measured = []
        for _ in range(CALLS):
            started = time.thread_time()
            run(*inputs)
            measured.append(time.thread_time() - started)
        seconds[name.removeprefix(PREFIX)] = float(np.median(measured))
    print(", ".join(f"{name} {1e3 * value:.3f} ms" for name, value in seconds.items()))
    for density in DENSITIES:
        notes = sum(seconds[name] for name in NOTE_GRAPHS) * density * LATENT_SECONDS
        total = seconds["frame"] + seconds["pedal"] + seconds["offset"] + notes
        print(f"{density} notes/s: {1e3 * total:.2f} ms per latent, {100 * total / LATENT_SECONDS:.1f} % of a core")
