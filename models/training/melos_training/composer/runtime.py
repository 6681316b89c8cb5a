"""Runs the exported graphs in ONNX Runtime, with the interface of those in PyTorch."""

from collections.abc import Iterable
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from .graphs import Module


def open_graph(path: Path) -> Module:
    """Opens a graph that runs on one thread."""
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
    """Opens graphs of a folder, by name."""
    return {name: open_graph(folder / f"{name}.onnx") for name in names}
