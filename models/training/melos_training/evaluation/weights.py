"""The shipped ONNX networks in PyTorch, for gradients and whole sequences, which a graph does not provide."""

from pathlib import Path
from typing import TypeVar

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from ..transformer import Transformer
from ..vae import Encoder

Network = TypeVar("Network", bound=nn.Module)


def tensors(path: Path) -> dict[str, Tensor]:
    """Named weights of a graph.

    The exporter turns matrices and drops their names: they are found again by the bias added to their product.
    """
    graph = onnx.load(str(path)).graph
    values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    made = {node.output[0]: node for node in graph.node}

    def constant(name: str) -> str | None:
        """The initializer behind a name, through casts."""
        while name in made and made[name].op_type == "Cast":
            name = made[name].input[0]
        return name if name in values else None

    found = {name.removesuffix("_half"): value.float() for name, value in values.items() if value.is_floating_point()}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for bias, product in (node.input, reversed(node.input)):
            name, source = constant(bias), made.get(product)
            if name and source is not None and source.op_type == "MatMul" and (matrix := constant(source.input[1])):
                found[name.removesuffix("_half").removesuffix("bias") + "weight"] = values[matrix].float().T
    return found


def load(network: Network, path: Path, prefix: str) -> Network:
    """Fills `network` with the weights of the graph whose names begin with `prefix`."""
    found = tensors(path)
    network.load_state_dict({key: found[prefix + key] for key in network.state_dict()})
    return network.eval().requires_grad_(False)


def transformer(folder: Path) -> Transformer:
    """The transformer of a model folder."""
    return load(Transformer(), folder / "transformer.onnx", "transformer.")


def encoder(folder: Path) -> Encoder:
    """The encoder of a model folder."""
    return load(Encoder(), folder / "encoder.onnx", "encoder.")
