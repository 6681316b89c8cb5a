"""Runs the networks of a model latent by latent on one thread: peer_networks.py MODEL torch|onnxruntime

Writes each latent's audio, mono float32 at 48 kHz, to standard output. The composer plays the model's reference performance
(20 s), whose notes it must reproduce exactly. The pianist plays the notes of its test vectors repeatedly; its cost does not depend on the
notes. Needs the training code on PYTHONPATH.
"""

import pathlib
import sys
from dataclasses import replace

import numpy as np
import torch
from safetensors.numpy import load_file

from melos_training.composer.conditions import Conditions
from melos_training.composer.host import as_steps, host_graphs
from melos_training.composer.playing import Plan
from melos_training.composer.sampling import Sampling
from melos_training.composer.stepping import Stepper
from melos_training.composer.vectors import GUIDANCE, LATENTS, ReferencePlayer, steady
from melos_training.constants import HOP, LATENT_FRAMES, N_FFT
from melos_training.graphs import vocoder_graph
from melos_training.model import Model
from melos_training.pianist.graphs import build


def networks(folder, kind):
    """Returns the graphs by file name, and the functions that run them."""
    model = Model(folder)
    graphs = {**host_graphs(model.composer()), **build(model.pianist(), model.prior()), "vocoder": vocoder_graph(model.vocoder())}
    del graphs["encoder"]
    if kind == "torch":
        return graphs, {name: graph.module for name, graph in graphs.items()}
    # Imported only here, because the import would add to the memory measured for PyTorch.
    from melos_training.composer.runtime import open_graphs

    return graphs, open_graphs(folder, graphs)


def composer(graphs, runs, reference):
    """Returns a player for the reference performance."""
    grid, form = steady(LATENTS)
    conditions = Conditions(LATENTS)
    conditions.coarse, conditions.fine = reference["frame"], reference["fine"]
    composer_graphs = {name: graph for name, graph in graphs.items() if name.startswith("composer-")}
    sampling = replace(Sampling.of(1.0), guidance=GUIDANCE)
    stepper = Stepper(as_steps(composer_graphs, runs), 2)
    return ReferencePlayer(stepper, Plan(conditions, grid, form, True), sampling, reference["dice"])


class Sound:
    """Generates sound with the pianist and the vocoder."""

    def __init__(self, graphs, runs, inputs):
        self.runs, self.inputs, self.calls = runs, {name: torch.from_numpy(values) for name, values in inputs.items()}, 0
        self.states = {name: torch.zeros(port.shape) for name in ("pianist-prior", "pianist-decoder", "vocoder")
                       for port in graphs[name].inputs if port.name == "state"}
        self.latent = torch.zeros(1, self.inputs["before"].shape[1])
        self.rng = torch.Generator().manual_seed(1)
        # At every sample, the squares of the four overlapping Hann windows add up to 1.5.
        self.window, self.tail = torch.hann_window(N_FFT) / 1.5, torch.zeros(N_FFT - HOP)

    def _step(self, name, first, *others):
        *outputs, self.states[name] = self.runs[name](first, self.states[name], *others)
        return outputs

    def block(self):
        """Returns the samples of the next latent."""
        row = self.calls % len(self.inputs["roll"])
        roll, piano, mood = (self.inputs[name][row : row + 1] for name in ("roll", "piano", "mood"))
        mean, deviation = self._step("pianist-prior", self.latent, roll, piano[0], mood)
        self.latent = mean + deviation * torch.randn(mean.shape, generator=self.rng)
        (mel,) = self._step("pianist-decoder", self.latent, roll, piano[0])
        real, imag = self._step("vocoder", mel)
        self.calls += 1
        overlapping = torch.zeros(N_FFT + (LATENT_FRAMES - 1) * HOP)
        overlapping[: len(self.tail)] = self.tail
        for index, frame in enumerate(torch.fft.irfft(torch.complex(real, imag)[0]) * self.window):
            overlapping[index * HOP : index * HOP + N_FFT] += frame
        self.tail = overlapping[LATENT_FRAMES * HOP :]
        return overlapping[: LATENT_FRAMES * HOP]


@torch.no_grad()
def main(folder, kind):
    torch.set_num_threads(1)
    graphs, runs = networks(folder, kind)
    read = lambda name: load_file(folder / "vectors" / f"{name}.safetensors")
    reference = read("composer")
    player, sound = composer(graphs, runs, reference), Sound(graphs, runs, read("prior"))
    for latent in range(LATENTS):
        player._play_latent(latent)
        sys.stdout.buffer.write(sound.block().numpy().tobytes())
        sys.stdout.buffer.flush()
    if not np.array_equal(player.played[0].notes, reference["notes"]):
        raise SystemExit(f"the notes differ from those in {folder}/vectors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2])
