"""Checkpoints from a published model folder, so that training continues from the shipped weights."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from .arrays import Array
from .checkpoint import save
from .latents import digest
from .transformer import Transformer
from .vae import Vae
from .vocoder import Vocoder


def _initialisers(path: Path) -> dict[str, Array]:
    """Arrays of an ONNX file by name, in the order of the file; float16 storage undone."""
    graph = onnx.load(path).graph
    arrays = {tensor.name.removesuffix("_half"): numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name: array.astype(np.float32) for name, array in arrays.items() if array.dtype != np.int64}


def read_weights(module: nn.Module, prefix: str, path: Path) -> None:
    """The state of `module` from the file `path`, under names that start with `prefix`.

    The exporter keeps the names of most parameters. Matrices of linear layers it may transpose and rename; those follow
    each other as the layers do, so they are told apart by shape and order.
    """
    arrays = _initialisers(path)
    state = {}
    unnamed: dict[tuple[int, ...], list[Array]] = {}
    for name, array in arrays.items():
        if not name.startswith(prefix) and array.ndim == 2:
            unnamed.setdefault(array.shape, []).append(array)
    for name, value in module.state_dict().items():
        if prefix + name in arrays:
            array = arrays[prefix + name]
        else:
            waiting = unnamed.get(tuple(value.shape[::-1]))
            if not waiting:
                raise ValueError(f"{path}: no weights for {name} of shape {tuple(value.shape)}")
            array = waiting.pop(0).T
        state[name] = torch.from_numpy(array.copy())
    module.load_state_dict(state)


def adopt(model: Path, out: Path) -> None:
    """Writes `vae.pt`, `vocoder.pt` and `transformer.pt` into the folder `out` from the ONNX files of `model`.

    They hold no optimizer and have spent no time: `--minutes` counts from here.
    """
    out.mkdir(parents=True, exist_ok=True)
    vae, vocoder, transformer = Vae(), Vocoder(), Transformer()
    read_weights(vae.encoder, "encoder.", model / "encoder.onnx")
    read_weights(vae.decoder, "decoder.", model / "decoder.onnx")
    read_weights(vocoder, "vocoder.", model / "vocoder.onnx")
    read_weights(transformer, "transformer.", model / "transformer.onnx")

    def write(network: nn.Module, name: str, **extra: str) -> None:
        state = network.state_dict()
        save({"model": state, "average": state, "step": 0, "spent": 0.0, **extra}, out / f"{name}.pt")

    write(vae, "vae")
    write(vocoder, "vocoder")
    write(transformer, "transformer", vae_sha256=digest(out / "vae.pt"))
