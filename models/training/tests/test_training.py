"""A few steps of each training make its loss smaller; a training resumes; what is exported computes what PyTorch does."""

import tomllib

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file

from melos_training import train_vae
from melos_training.mel import inverse_spectrum


@pytest.mark.parametrize("name", ["vae", "vocoder", "transformer"])
def test_loss_falls(trained, name):
    history = trained[1][name].history
    assert history[-1]["loss"] < 0.995 * history[0]["loss"], history


def test_training_resumes(trained, shards):
    paths, trainers = trained
    finished = train_vae.train([shards], paths["vae"], steps=20)
    assert finished.step == 20
    before = trainers["vae"].average.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in finished.average.state_dict().items())
    saved = paths["vae"].read_bytes()
    assert train_vae.train([shards], paths["vae"], steps=22).step == 22
    paths["vae"].write_bytes(saved)


@pytest.fixture
def contract(exported):
    return tomllib.loads((exported / "model.toml").read_text())


def session(exported, name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(exported / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


def test_contract_describes_the_graphs(exported, contract):
    import hashlib

    assert [file["name"] for file in contract["file"]] == [f"{n}.onnx" for n in ("transformer", "decoder", "vocoder", "encoder")]
    for file in contract["file"]:
        data = (exported / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"] and len(data) == file["bytes"]
        graph = session(exported, file["name"].removesuffix(".onnx"))
        for kind, ports in (("input", graph.get_inputs()), ("output", graph.get_outputs())):
            assert [(p["name"], p["shape"]) for p in file[kind]] == [(p.name, p.shape) for p in ports]


def run_stream(exported, name, vectors):
    """The graph's outputs over the stored calls, concatenated."""
    graph = session(exported, name)
    first, carried = graph.get_inputs()
    state = np.zeros(carried.shape, np.float32)
    calls = []
    for row in vectors[first.name]:
        *results, state = graph.run(None, {first.name: row[None], "state": state})
        calls.append(results)
    return [np.concatenate([call[i] for call in calls], 1)[0] for i in range(len(calls[0]))]


def test_streaming_the_exported_decoder_equals_whole(exported):
    vectors = load_file(str(exported / "vectors" / "decoder.safetensors"))
    mel, = run_stream(exported, "decoder", vectors)
    np.testing.assert_allclose(mel, vectors["mel"].reshape(mel.shape), atol=1e-4)


def test_streaming_the_exported_vocoder_equals_whole(exported):
    vectors = load_file(str(exported / "vectors" / "vocoder.safetensors"))
    whole = torch.complex(*(torch.from_numpy(vectors[name]).flatten(0, 1) for name in ("real", "imag")))
    ours = torch.complex(*(torch.from_numpy(part) for part in run_stream(exported, "vocoder", vectors)))
    # A bin whose candidates for a phase cancel out magnifies rounding: judge what is heard.
    torch.testing.assert_close(inverse_spectrum(ours[None]), inverse_spectrum(whole[None]), atol=1e-4, rtol=0)
    assert inverse_spectrum(whole[None]).abs().max() > 0.01


def test_encoder_export(exported):
    vectors = load_file(str(exported / "vectors" / "encoder.safetensors"))
    mean, = session(exported, "encoder").run(None, {"mel": vectors["mel"]})
    np.testing.assert_allclose(mean, vectors["mean"], atol=1e-4)


def test_transformer_export(exported, contract):
    vectors = load_file(str(exported / "vectors" / "transformer.safetensors"))
    graph = session(exported, "transformer")
    shapes = {port.name: port.shape for port in graph.get_inputs()}
    inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    inputs["guidance"] = vectors["guidance"]
    inputs["mask"] += -1e9
    inputs["start"] += 1
    half = np.arange(shapes["cos"][0] // 2)
    frequencies = np.tile(contract["context"]["rope_base"] ** (-half * 2 / shapes["cos"][0]), 2)
    for position in range(len(vectors["noise"])):
        inputs["noise"] = vectors["noise"][position][None]
        inputs["conditions"] = vectors["conditions"][position]
        inputs["cos"] = np.cos(position * frequencies).astype(np.float32)
        inputs["sin"] = np.sin(position * frequencies).astype(np.float32)
        z, key, value = graph.run(None, inputs)
        np.testing.assert_allclose(z[0], vectors["z_next"][position], atol=1e-4)
        for layer in range(contract["context"]["layers"]):
            inputs[f"k{layer}"][..., position, :] = key[layer, ..., 0, :]
            inputs[f"v{layer}"][..., position, :] = value[layer, ..., 0, :]
        inputs["mask"][0, position] = 0
        inputs["z"] = z
        inputs["start"][:] = 0


def test_adopted_weights_are_the_exported_ones(trained, exported, tmp_path):
    from melos_training.adopt import adopt
    from melos_training.export import round_weights
    from melos_training.training import load_average
    from melos_training.transformer import Transformer
    from melos_training.vae import Vae
    from melos_training.vocoder import Vocoder

    adopt(exported, tmp_path)
    for name, network in (("vae", Vae), ("vocoder", Vocoder), ("transformer", Transformer)):
        ours, theirs = network(), network()
        load_average(ours, trained[0][name])
        round_weights(ours)
        load_average(theirs, tmp_path / f"{name}.pt")
        adopted = theirs.state_dict()
        for key, value in ours.state_dict().items():
            assert torch.equal(adopted[key], value), f"{name}: {key}"


def test_training_goes_on_from_adopted_weights(exported, shards, tmp_path):
    from melos_training.adopt import adopt

    adopt(exported, tmp_path)
    trainer = train_vae.train([shards], tmp_path / "vae.pt", steps=3, rate=1e-5)
    assert trainer.step == 3
