"""Exports a model: the ONNX files, their manifest `model.toml`, and test vectors."""

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
from .composer import conditions
from .composer.blocks import HEAD_WIDTH, HEADS, LAYERS, ROPE_BASE, WIDTH, WINDOW
from .composer.excerpts import load_average as load_composer
from .composer.graphs import SLOTS
from .composer.host import as_steps, host_graphs
from .composer.layout import MEMORY_WIDTH
from .composer.library import load as load_library
from .composer.runtime import open_graphs
from .graphs import Graph, Port, vocoder_graph
from .identity import Identity
from .pianist.graphs import build
from .pianist.layout import AHEAD, ROLL
from .pianist.network import Prior
from .pianist.train_pianist import load_pianist
from .pianist.windows import MOOD
from .runs import SettingsError, read_settings
from .vectors import write_vectors
from .vocoder import Vocoder
from .weights import HALF, name_weights

SCHEMA = 3
"""Version of `model.toml`."""
OPSET = 18
MIN_HALF_SIZE = 1024
"""Weights with at least this many values are stored as float16, and cast to float32 in the graph."""


def round_weights(module: nn.Module) -> None:
    """Rounds the weights that will be stored as float16, so that PyTorch uses the same values as the exported graph."""
    for parameter in module.parameters():
        if parameter.numel() >= MIN_HALF_SIZE:
            parameter.data.copy_(parameter.data.half().float())


def _store_as_half(model: ModelProto) -> ModelProto:
    """Stores large float32 initialisers that float16 represents exactly as float16, and casts them in the graph."""
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        large = values.dtype == np.float32 and values.size >= MIN_HALF_SIZE
        half = values.astype(np.float16) if large else values
        if large and np.array_equal(half.astype(np.float32), values):
            stored = tensor.name + HALF
            kept.append(numpy_helper.from_array(half, stored))
            casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
        else:
            kept.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    return model


def save_graph(model: ModelProto, path: Path) -> None:
    """Checks an exported graph, and writes it without debug information and with large weights as float16."""
    model = _store_as_half(model)
    # The metadata contains file names and stack traces from the exporting machine.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for proto in (model, model.graph, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del proto.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export_graph(graph: Graph, path: Path) -> None:
    """Exports one graph to a single file; its shapes are static, except for free rows."""
    examples = tuple(torch.zeros(port.shape) for port in graph.inputs)
    rows = torch.export.Dim("rows", min=1)
    free = tuple({0: rows} if port.name in graph.free_rows else {} for port in graph.inputs)
    program = torch.onnx.export(
        graph.module.eval(),
        examples,
        input_names=[port.name for port in graph.inputs],
        output_names=[port.name for port in graph.outputs],
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
        dynamic_shapes=(free,) if graph.free_rows else None,
    )
    if program is None:
        raise RuntimeError(f"{path}: the exporter returned no graph")
    model = program.model_proto
    name_weights(model, graph.module)
    save_graph(model, path)


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


def _manifest(folder: Path, graphs: dict[str, Graph], identity: Identity, pianos: Sequence[str], commit: str) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment("The manifest that the daemon reads. Written by `python -m melos_training export`."))
    document.add("schema", tomlkit.item(SCHEMA))
    for key, value in identity.model_dump(exclude={"pianos"}).items():
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
        "latent": {"dims": _size(graphs, "pianist-decoder", "z"), "mel_frames": c.LATENT_FRAMES},
        "composer": {
            "frame": conditions.WIDTH,
            "fine": conditions.FINE_WIDTH,
            "memory": MEMORY_WIDTH,
            "width": WIDTH,
            "window": WINDOW,
            "slots": SLOTS,
            "layers": LAYERS,
            "heads": HEADS,
            "head_dim": HEAD_WIDTH,
            "rope_base": ROPE_BASE,
        },
        "pianist": {"pianos": [identity.pianos[piano] for piano in pianos], "ahead": AHEAD, "roll": ROLL},
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


def _size(graphs: dict[str, Graph], name: str, port: str) -> int:
    """Returns the size of the last dimension of a graph's input."""
    return next(p for p in graphs[name].inputs if p.name == port).shape[-1]


def _read_identity(path: Path, pianos: Sequence[str]) -> Identity:
    """Reads an identity file. Raises `SettingsError` if it is invalid or does not name every piano."""
    identity = read_settings(Identity, path)
    for piano in pianos:
        if piano not in identity.pianos:
            raise SettingsError(f"{path}: pianos.{piano} is missing; the pianist's pianos are {', '.join(pianos)}")
    return identity


def export(
    composer: Path,
    pianist: Path,
    prior: Path,
    vocoder: Path,
    out: Path,
    identity: Path,
    shards: Sequence[Path],
    library: Path,
    commit: str = "unknown",
) -> None:
    """Exports four checkpoints to the folder `out`, as the model described by the file `identity`.

    Test vectors are computed from held-out music in `shards` and a held-out song in the composer's `library`.
    """
    pianist_net, pianos = load_pianist(pianist)
    model_identity = _read_identity(identity, pianos)
    composer_net, prior_net, vocoder_net = (
        load_composer(composer),
        Prior(len(pianos), pianist_net.latent, MOOD),
        Vocoder(),
    )
    load_average(prior_net, prior)
    load_average(vocoder_net, vocoder)
    for network in (composer_net, pianist_net, prior_net, vocoder_net):
        round_weights(network)
    out.mkdir(parents=True, exist_ok=True)
    composer_graphs = host_graphs(composer_net)
    graphs = {**composer_graphs, **build(pianist_net, prior_net), "vocoder": vocoder_graph(vocoder_net)}
    for name, graph in graphs.items():
        export_graph(graph, out / f"{name}.onnx")
    steps = as_steps(composer_graphs, open_graphs(out, composer_graphs))
    songs = load_library(library)
    write_vectors(out / "vectors", pianist_net, prior_net, vocoder_net, pianos, shards, songs, steps)
    (out / "model.toml").write_text(_manifest(out, graphs, model_identity, pianos, commit), encoding="utf-8")
    for path in sorted(out.glob("*.onnx")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
