"""Preserves the names of parameters in exported graphs, and reads the parameters back."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

HALF = "_half"
"""Suffix of the names of weights stored as float16."""
TRANSPOSED = ".T"
"""Suffix of the names of matrices stored transposed."""


def name_weights(model: ModelProto, module: nn.Module) -> None:
    """Restores the parameter names of matrices that the exporter has transposed and renamed."""
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    transposed: dict[bytes, list[str]] = {}
    for name, parameter in module.named_parameters():
        if name not in known and parameter.ndim == 2:
            transposed.setdefault(parameter.detach().numpy().T.tobytes(), []).append(name + TRANSPOSED)
    names = {}
    for tensor in graph.initializer:
        if candidates := transposed.get(numpy_helper.to_array(tensor).tobytes()):
            names[tensor.name] = candidates.pop(0)
    for renamed in (*graph.initializer, *graph.value_info):
        renamed.name = names.get(renamed.name, renamed.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)


def tensors(path: Path) -> dict[str, Tensor]:
    """Returns the weights of an exported graph by their names in PyTorch."""
    weights = {}
    for tensor in onnx.load(str(path)).graph.initializer:
        values = numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating):
            value, name = torch.from_numpy(values.astype(np.float32)), tensor.name.removesuffix(HALF)
            weights[name.removesuffix(TRANSPOSED)] = value.T.contiguous() if name.endswith(TRANSPOSED) else value
    return weights


def load(network: Network, paths: Iterable[Path], prefix: str) -> Network:
    """Loads the weights of graphs into `network` for inference; in the graphs, the weights' names begin with `prefix`.

    Raises `ValueError` if a weight is missing.
    """
    weights = {name: value for path in paths for name, value in tensors(path).items()}
    if missing := [name for name, _ in network.named_parameters() if prefix + name not in weights]:
        raise ValueError(f"{', '.join(map(str, paths))}: no weights for {', '.join(missing)}")
    network.load_state_dict({name: weights[prefix + name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)
