"""Names of parameters in exported graphs: kept on export, and read back."""

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
"""Suffix of the name of a weight stored as float16."""
TRANSPOSED = ".T"
"""Suffix of the name of a matrix stored transposed."""


def name_weights(model: ModelProto, module: nn.Module) -> None:
    """Names matrices that the exporter transposed and renamed after their parameters."""
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    transposed: dict[bytes, list[str]] = {}
    for name, parameter in module.named_parameters():
        if name not in known and parameter.ndim == 2:
            transposed.setdefault(parameter.detach().numpy().T.tobytes(), []).append(name + TRANSPOSED)
    names = {}
    for tensor in graph.initializer:
        if waiting := transposed.get(numpy_helper.to_array(tensor).tobytes()):
            names[tensor.name] = waiting.pop(0)
    for named in (*graph.initializer, *graph.value_info):
        named.name = names.get(named.name, named.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)


def tensors(path: Path) -> dict[str, Tensor]:
    """The weights of an exported graph by their names in PyTorch."""
    found = {}
    for tensor in onnx.load(str(path)).graph.initializer:
        values = numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating):
            value, name = torch.from_numpy(values.astype(np.float32)), tensor.name.removesuffix(HALF)
            found[name.removesuffix(TRANSPOSED)] = value.T.contiguous() if name.endswith(TRANSPOSED) else value
    return found


def load(network: Network, paths: Iterable[Path], prefix: str) -> Network:
    """Fills `network` with the weights of graphs, whose names begin with `prefix`, ready for use.

    Raises `ValueError` where one is missing.
    """
    found = {name: value for path in paths for name, value in tensors(path).items()}
    if missing := [name for name, _ in network.named_parameters() if prefix + name not in found]:
        raise ValueError(f"{', '.join(map(str, paths))}: no weights for {', '.join(missing)}")
    network.load_state_dict({name: found[prefix + name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)
