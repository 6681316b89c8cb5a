"""The exported graphs on ONNX Runtime, to be driven as those in PyTorch are."""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from .graphs import Module

NAMES = ("frame", "pedal", "offset", "voice", "key", "velocity", "duration", "note")


def open_graph(path: Path) -> Module:
    """One graph, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        feed = {name: value.detach().numpy() for name, value in zip(names, inputs, strict=True)}
        results = tuple(torch.from_numpy(value) for value in session.run(None, feed))
        return results if len(results) > 1 else results[0]

    return run


def open_graphs(folder: Path) -> dict[str, Module]:
    """All graphs of a folder."""
    return {name: open_graph(folder / f"{name}.onnx") for name in NAMES}
