"""Writes the ONNX files, their contract `model.toml` and test vectors."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomlkit
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tomlkit.items import AoT, Table
from torch import nn

from . import constants as c
from .checkpoint import load_average
from .graphs import SLOTS, Graph, Port, build
from .identity import Identity
from .runs import read_settings
from .transformer import FLOW_STEPS, HEAD_DIM, HEADS, LAYERS, ROPE_BASE, WINDOW, Transformer
from .vae import Vae
from .vectors import write_vectors
from .vocoder import Vocoder

OPSET = 18
STORED_AS_HALF = 1024
"""Weights with at least this many numbers are stored as float16 and cast at load."""


def round_weights(module: nn.Module) -> None:
    """Rounds what will be stored as float16, so that PyTorch and the exported graph compute with the same numbers."""
    for parameter in module.parameters():
        if parameter.numel() >= STORED_AS_HALF:
            parameter.data.copy_(parameter.data.half().float())


def _store_as_half(model: ModelProto) -> ModelProto:
    """Replaces large float initialisers that float16 represents exactly by float16 ones with a Cast."""
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        large = values.dtype == np.float32 and values.size >= STORED_AS_HALF
        half = values.astype(np.float16) if large else values
        if large and np.array_equal(half.astype(np.float32), values):
            stored = tensor.name + "_half"
            kept.append(numpy_helper.from_array(half, stored))
            casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
        else:
            kept.append(tensor)
    # The exporter may list initialisers as values with a type: theirs is that of the Cast now.
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    return model


def save_graph(model: ModelProto, path: Path) -> None:
    """Stores an exported graph's weights in half precision, and writes it checked, without what nobody can use."""
    model = _store_as_half(model)
    # Names and traces of the exporting machine are of no use to anybody.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for holder in (model, model.graph, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del holder.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export_graph(graph: Graph, path: Path) -> None:
    """Exports one graph with static shapes to a single file."""
    examples = tuple(torch.zeros(port.shape) for port in graph.inputs)
    program = torch.onnx.export(
        graph.module.eval(),
        examples,
        input_names=[port.name for port in graph.inputs],
        output_names=[port.name for port in graph.outputs],
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError(f"{path}: the exporter made no graph")
    save_graph(program.model_proto, path)


def _table(**entries: Any) -> Table:
    table = tomlkit.table()
    for key, value in entries.items():
        table.add(key, value)
    return table


def _ports(ports: Sequence[Port]) -> AoT:
    tables = tomlkit.aot()
    for port in ports:
        tables.append(_table(**port._asdict()))
    return tables


def _contract(folder: Path, graphs: dict[str, Graph], identity: Identity, commit: str) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment("What the daemon may rely on. Written by `python -m melos_training export`."))
    document.add("schema", tomlkit.item(c.MODEL_SCHEMA))
    for key, value in identity.model_dump().items():
        document.add(key, tomlkit.item(value))
    document.add("training_commit", tomlkit.item(commit))
    sections: dict[str, dict[str, Any]] = {
        "audio": {
            "sample_rate": c.SAMPLE_RATE,
            "n_fft": c.N_FFT,
            "hop": c.HOP,
            "window": "hann_periodic",
            "mel_bands": c.MEL_BANDS,
            "mel_min_hz": c.MEL_MIN_HZ,
            "mel_max_hz": c.MEL_MAX_HZ,
            "mel_scale": "slaney",
            "mel_norm": "slaney",
            "log": "natural",
            "floor": c.MEL_FLOOR,
        },
        "latent": {"dims": c.LATENT_DIMS, "mel_frames": c.LATENT_FRAMES},
        "conditions": {"values": c.VALUE_COUNT, "masks": len(c.CONDITION_GROUPS)},
        "context": {
            "window": WINDOW,
            "slots": SLOTS,
            "layers": LAYERS,
            "heads": HEADS,
            "head_dim": HEAD_DIM,
            "rope_base": ROPE_BASE,
            "flow_steps": FLOW_STEPS,
        },
        "vocoder": {"look_ahead": c.LOOK_AHEAD, "n_fft": c.N_FFT, "hop": c.HOP},
    }
    for name, entries in sections.items():
        document.add(name, _table(**entries))
    files = tomlkit.aot()
    for name, graph in graphs.items():
        data = (folder / f"{name}.onnx").read_bytes()
        file = _table(name=f"{name}.onnx", sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        file.add("input", _ports(graph.inputs))
        file.add("output", _ports(graph.outputs))
        files.append(file)
    document.add("file", files)
    return tomlkit.dumps(document)


def export(
    vae: Path,
    vocoder: Path,
    transformer: Path,
    out: Path,
    identity: Path,
    shards: Sequence[Path] | None = None,
    commit: str = "unknown",
) -> None:
    """Exports three checkpoints into the folder `out`, as the model that the file `identity` describes.

    With `shards`, test vectors come from held-out music.
    """
    described = read_settings(Identity, identity)
    out.mkdir(parents=True, exist_ok=True)
    networks = Vae(), Vocoder(), Transformer()
    for network, path in zip(networks, (vae, vocoder, transformer)):
        load_average(network, path)
        round_weights(network)
    graphs = build(*networks)
    for name, graph in graphs.items():
        export_graph(graph, out / f"{name}.onnx")
    write_vectors(out / "vectors", graphs, *networks, shards)
    (out / "model.toml").write_text(_contract(out, graphs, described, commit), encoding="utf-8")
    for path in sorted(out.glob("*.onnx")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
