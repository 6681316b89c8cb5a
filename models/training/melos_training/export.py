"""Writes the ONNX files, their contract `model.toml` and test vectors."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from . import constants as c
from .graphs import SLOTS, build
from .training import load_average
from .transformer import FLOW_STEPS, HEAD_DIM, HEADS, LAYERS, ROPE_BASE, WINDOW, Transformer
from .vae import Vae
from .vectors import write_vectors
from .vocoder import LOOK_AHEAD, Vocoder

OPSET = 18
STORED_AS_HALF = 1024
"""Weights with at least this many numbers are stored as float16 and cast at load."""


def round_weights(module):
    """Rounds what will be stored as float16, so that PyTorch and the exported graph compute with the same numbers."""
    for parameter in module.parameters():
        if parameter.numel() >= STORED_AS_HALF:
            parameter.data.copy_(parameter.data.half().float())


def _store_as_half(model):
    """Replaces large float initialisers that float16 holds exactly by float16 ones and a Cast each."""
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16) if values.dtype == np.float32 else None
        exact = half is not None and values.size >= STORED_AS_HALF and np.array_equal(half.astype(np.float32), values)
        if exact:
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


def export_graph(module, inputs, outputs, path):
    """Exports one graph with static shapes to a single file."""
    examples = tuple(torch.zeros(shape) for _, shape, _ in inputs)
    program = torch.onnx.export(
        module.eval(),
        examples,
        input_names=[name for name, _, _ in inputs],
        output_names=[name for name, _, _ in outputs],
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = _store_as_half(program.model_proto)
    # Names and traces of the exporting machine are of no use to anybody.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _describe(kind, ports):
    lines = []
    for name, shape, meaning in ports:
        lines += [f"[[file.{kind}]]", f"name = {json.dumps(name)}", f"shape = {shape}", f"meaning = {json.dumps(meaning)}", ""]
    return lines


def _contract(folder, graphs, commit):
    lines = [
        "# What the daemon may rely on. Written by `python -m melos_training export`.",
        "schema = 2",
        'name = "melos-piano"',
        'licence = "CC-BY-4.0"',
        'attribution = "Trained on POP909 (MIT), GiantMIDI-Piano (CC BY 4.0) and Mutopia scores; see ATTRIBUTION."',
        'training_data = "POP909, GiantMIDI-Piano subset, Mutopia piano; rendered with FluidR3_GM.sf2"',
        f"training_commit = {json.dumps(commit)}",
        "",
        "[audio]",
        f"sample_rate = {c.SAMPLE_RATE}",
        f"n_fft = {c.N_FFT}",
        f"hop = {c.HOP}",
        'window = "hann_periodic"',
        f"mel_bands = {c.MEL_BANDS}",
        f"mel_min_hz = {c.MEL_MIN_HZ}",
        f"mel_max_hz = {c.MEL_MAX_HZ}",
        'mel_scale = "slaney"',
        'mel_norm = "slaney"',
        'log = "natural"',
        f"floor = {c.MEL_FLOOR}",
        "",
        "[latent]",
        f"dims = {c.LATENT_DIMS}",
        f"mel_frames = {c.LATENT_FRAMES}",
        "",
        "[conditions]",
        f"values = {c.VALUE_COUNT}",
        f"masks = {len(c.CONDITION_GROUPS)}",
        "",
        "[context]",
        f"window = {WINDOW}",
        f"slots = {SLOTS}",
        f"layers = {LAYERS}",
        f"heads = {HEADS}",
        f"head_dim = {HEAD_DIM}",
        f"rope_base = {ROPE_BASE}",
        f"flow_steps = {FLOW_STEPS}",
        "",
        "[vocoder]",
        f"look_ahead = {LOOK_AHEAD}",
        f"n_fft = {c.N_FFT}",
        f"hop = {c.HOP}",
        "",
    ]
    for name, (_, inputs, outputs) in graphs.items():
        data = (folder / f"{name}.onnx").read_bytes()
        lines += [
            "[[file]]",
            f'name = "{name}.onnx"',
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
            f"bytes = {len(data)}",
            "",
            *_describe("input", inputs),
            *_describe("output", outputs),
        ]
    return "\n".join(lines)


def export(vae, vocoder, transformer, out, shards=None, commit="unknown"):
    """Exports three checkpoints into the folder `out`; with `shards`, test vectors come from held-out music."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    networks = Vae(), Vocoder(), Transformer()
    for network, path in zip(networks, (vae, vocoder, transformer)):
        load_average(network, path)
        round_weights(network)
    graphs = build(*networks)
    for name, (module, inputs, outputs) in graphs.items():
        export_graph(module, inputs, outputs, out / f"{name}.onnx")
    write_vectors(out / "vectors", graphs, *networks, shards)
    (out / "model.toml").write_text(_contract(out, graphs, commit))
    for path in sorted(out.glob("*.onnx")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
