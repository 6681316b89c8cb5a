"""The shipped decoder and vocoder on ONNX Runtime, stepped as the daemon steps them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ..arrays import Floats
from ..constants import LATENT_FRAMES, LOOK_AHEAD
from ..mel import inverse_spectrum


class Stateful:
    """A graph of one input and a state."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, rows: Sequence[Floats] | Floats) -> list[Floats]:
        """Outputs, stacked, for inputs [n, …] from a state of zeros."""
        given, state = self.session.get_inputs()
        memory = np.zeros(state.shape, np.float32)
        outputs = []
        for row in rows:
            *values, memory = self.session.run(None, {given.name: row[None], state.name: memory})
            outputs.append([value[0] for value in values])
        return [np.stack(column) for column in zip(*outputs)]


class Networks:
    """Decoder and vocoder of a model folder."""

    def __init__(self, folder: Path) -> None:
        self.decoder, self.vocoder = (Stateful(folder / f"{name}.onnx") for name in ("decoder", "vocoder"))

    def mel(self, latents: Floats) -> Floats:
        """Log-mel [8 n, 128] of latents [n, 32]."""
        return np.concatenate(self.decoder(latents)[0])

    def sound(self, mel: Floats) -> Floats:
        """Samples of a log-mel [8 n, 128] between the centres of its first and its last frame but `LOOK_AHEAD`."""
        real, imag = (np.concatenate(part) for part in self.vocoder(mel.reshape(-1, LATENT_FRAMES, mel.shape[1])))
        spectra = torch.complex(torch.from_numpy(real), torch.from_numpy(imag))[None, LOOK_AHEAD:]
        return inverse_spectrum(spectra)[0].numpy()
