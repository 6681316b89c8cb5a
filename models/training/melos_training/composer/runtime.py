"""Runs exported graphs in ONNX Runtime, with the same interface as in PyTorch."""

from collections.abc import Iterable
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from .graphs import Module


def open_graph(path: Path) -> Module:
    """Opens a graph, to be run on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        feed = {name: value.detach().numpy() for name, value in zip(names, inputs, strict=True)}
        results = tuple(torch.from_numpy(value) for value in session.run(None, feed))
        return results if len(results) > 1 else results[0]

    return run


def open_graphs(folder: Path, names: Iterable[str]) -> dict[str, Module]:
    """Opens the graphs with these names in a folder; returns them by name."""
    return {name: open_graph(folder / f"{name}.onnx") for name in names}
