"""Writes the composer as ONNX files, with their contract `composer.toml`."""

import hashlib
import json
import warnings
from pathlib import Path

import torch

from ..export import OPSET, round_weights, save_graph
from . import conditions
from .blocks import HEAD_WIDTH, HEADS, LAYERS, ROPE_BASE, WINDOW
from .excerpts import load_average
from .graphs import SLOTS, Graph, Port, build
from .layout import (
    DURATIONS,
    FRAME,
    KEYS,
    LAGS,
    LONGEST,
    LOWEST_KEY,
    OFFSETS,
    SHORTEST,
    SLOT_WIDTH,
    VELOCITIES,
    VELOCITY_WIDTH,
)

EXAMPLE_ROWS = 2


def example(port: Port, rows: int) -> torch.Tensor:
    """Zeros of an input's shape."""
    shape = list(port.shape)
    if port.axis is not None:
        shape.insert(port.axis, rows)
    return torch.zeros(shape, dtype=torch.int64 if port.integer else torch.float32)


def export_graph(graph: Graph, path: Path) -> None:
    """Exports one graph for any number of rows."""
    rows = torch.export.Dim("rows", min=1, max=64)
    axes = tuple({} if port.axis is None else {port.axis: rows} for port in graph.inputs)
    # A graph that takes a variable number of inputs has one entry for all of them.
    fixed = graph.module.forward.__code__.co_argcount - 1
    shapes = axes if fixed == len(axes) else (*axes[:fixed], axes[fixed:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(example(port, EXAMPLE_ROWS) for port in graph.inputs),
            input_names=[port.name for port in graph.inputs],
            output_names=[port.name for port in graph.outputs],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError(f"{path.name}: the exporter gave nothing")
    save_graph(program.model_proto, path)


def _ports(kind: str, ports: list[Port]) -> list[str]:
    lines = []
    for port in ports:
        shape = [str(size) for size in port.shape]
        if port.axis is not None:
            shape.insert(port.axis, '"rows"')
        lines += [
            f"[[file.{kind}]]",
            f"name = {json.dumps(port.name)}",
            f"type = {json.dumps('int64' if port.integer else 'float32')}",
            f"shape = [{', '.join(shape)}]",
            f"meaning = {json.dumps(port.meaning)}",
            "",
        ]
    return lines


def contract(folder: Path, graphs: dict[str, Graph], trained: str) -> str:
    """What the host may rely on."""
    lines = [
        "# What the host may rely on. Written by `python -m melos_training.composer export`.",
        "schema = 1",
        f"trained = {json.dumps(trained)}",
        "",
        "[frame]",
        f"seconds = {FRAME!r}",
        f"offsets = {OFFSETS}",
        "",
        "[notes]",
        f"keys = {KEYS}",
        f"lowest_key = {LOWEST_KEY}",
        f"velocities = {VELOCITIES}",
        f"velocity_width = {VELOCITY_WIDTH}",
        f"durations = {DURATIONS}",
        f"shortest_seconds = {SHORTEST}",
        f"longest_seconds = {LONGEST}",
        "",
        "[memory]",
        f"bars_back = {list(LAGS)}",
        f"slot_width = {SLOT_WIDTH}",
        "",
        "[context]",
        f"window = {WINDOW}",
        f"slots = {SLOTS}",
        f"layers = {LAYERS}",
        f"heads = {HEADS}",
        f"head_width = {HEAD_WIDTH}",
        f"rope_base = {ROPE_BASE}",
        "",
        "[conditions]",
        f"frame = {_inline(conditions.FRAME_GROUPS)}",
        f"fine = {_inline(conditions.FINE_GROUPS)}",
        f"masks = {json.dumps(list(conditions.GROUPS))}",
        "",
    ]
    for name, graph in graphs.items():
        data = (folder / f"{name}.onnx").read_bytes()
        lines += [
            "[[file]]",
            f'name = "{name}.onnx"',
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
            f"bytes = {len(data)}",
            "",
            *_ports("input", graph.inputs),
            *_ports("output", graph.outputs),
        ]
    return "\n".join(lines)


def _inline(groups: dict[str, int]) -> str:
    return "{ " + ", ".join(f"{name} = {width}" for name, width in groups.items()) + " }"


def export(checkpoint: Path, out: Path) -> None:
    """Exports a checkpoint's averaged weights; matrices are stored as float16 and computed with in float32."""
    out.mkdir(parents=True, exist_ok=True)
    net = load_average(checkpoint)
    round_weights(net)
    graphs = build(net)
    for name, graph in graphs.items():
        export_graph(graph, out / f"{name}.onnx")
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    (out / "composer.toml").write_text(contract(out, graphs, f"{saved['step']} steps, {saved['frames']} frames"))
    for name in graphs:
        print(f"{name}.onnx: {(out / f'{name}.onnx').stat().st_size / 1e6:.2f} MB", flush=True)
