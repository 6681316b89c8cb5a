"""What the exported composer costs on this machine."""

import time
from pathlib import Path

import numpy as np
import torch

from .export import example
from .graphs import build
from .layout import FRAME
from .network import Composer
from .runtime import open_graphs

CALLS = 300
DENSITIES = (5, 15)
"""Notes per second for which the cost is reported."""
OF_A_NOTE = ("offset", "voice", "key", "velocity", "duration", "note")


def measure(folder: Path) -> None:
    """Prints the median processor time of each graph on one thread, and the share of a core that playing takes."""
    graphs, ports = open_graphs(folder), {name: graph.inputs for name, graph in build(Composer()).items()}
    for rows in (1, 2):
        seconds = {}
        for name, run in graphs.items():
            inputs = [
                example(port, rows) if port.integer else torch.rand(example(port, rows).shape) for port in ports[name]
            ]
            taken = []
            for _ in range(CALLS):
                begun = time.thread_time()
                run(*inputs)
                taken.append(time.thread_time() - begun)
            seconds[name] = float(np.median(taken))
        listed = ", ".join(f"{name} {1e3 * value:.3f} ms" for name, value in seconds.items())
        print(f"{rows} row{'s' * (rows > 1)}: {listed}")
        for density in DENSITIES:
            notes = sum(seconds[name] for name in OF_A_NOTE) * density * FRAME
            whole = seconds["frame"] + seconds["pedal"] + seconds["offset"] + notes
            print(f"  {density} notes/s: {1e3 * whole:.2f} ms a frame, {100 * whole / FRAME:.1f} % of a core")
