"""What is exported computes what PyTorch does, and its contract says what it is."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import IDENTITY, Trained
from safetensors.numpy import load_file

from melos_training import train_vae
from melos_training.adopt import adopt
from melos_training.arrays import Array
from melos_training.checkpoint import load_average
from melos_training.export import export, round_weights
from melos_training.mel import inverse_spectrum
from melos_training.runs import SettingsError, VaeRun
from melos_training.transformer import Transformer
from melos_training.vae import Vae
from melos_training.vocoder import Vocoder

Contract = dict[str, Any]


@pytest.fixture
def contract(exported: Path) -> Contract:
    return tomllib.loads((exported / "model.toml").read_text(encoding="utf-8"))


def session(exported: Path, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(exported / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


def test_the_runtime_is_the_daemons() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    assert f"\nONNXRUNTIME := {onnxruntime.__version__}\n" in makefile


def test_contract_describes_the_graphs(exported: Path, contract: Contract) -> None:
    names = [f"{n}.onnx" for n in ("transformer", "decoder", "vocoder", "encoder")]
    assert [file["name"] for file in contract["file"]] == names
    for file in contract["file"]:
        data = (exported / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"] and len(data) == file["bytes"]
        graph = session(exported, file["name"].removesuffix(".onnx"))
        for kind, ports in (("input", graph.get_inputs()), ("output", graph.get_outputs())):
            assert [(p["name"], p["shape"]) for p in file[kind]] == [(p.name, p.shape) for p in ports]


def test_contract_says_who_the_model_is(contract: Contract) -> None:
    identity = tomllib.loads(IDENTITY.read_text(encoding="utf-8"))
    assert {key: contract[key] for key in identity} == identity
    assert contract["training_commit"] == "test"


def test_a_contract_has_the_layout_of_the_shipped_one(contract: Contract) -> None:
    shipped = tomllib.loads((Path(__file__).parents[2] / "melos-piano" / "model.toml").read_text(encoding="utf-8"))
    varying = ("sha256", "bytes")
    for one in (shipped, contract):
        del one["training_commit"]
        for file in one["file"]:
            for key in varying:
                del file[key]
    assert contract == shipped


def test_nothing_is_exported_without_a_licence(trained: Trained, tmp_path: Path) -> None:
    identity = tmp_path / "who.toml"
    identity.write_text('name = "x"\nlicense = "MIT"\nattribution = "y"\ntraining_data = "z"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        export(trained.paths["vae"], trained.paths["vocoder"], trained.paths["transformer"], tmp_path / "out", identity)
    assert f"{identity}: licence is missing" in str(error.value)
    assert f"{identity}:2: there is no setting 'license'; did you mean 'licence'?" in str(error.value)
    assert not (tmp_path / "out").exists()


def run_stream(exported: Path, name: str, vectors: Mapping[str, Array]) -> list[Array]:
    """The graph's outputs over the stored calls, concatenated."""
    graph = session(exported, name)
    first, carried = graph.get_inputs()
    state = np.zeros(carried.shape, np.float32)
    calls = []
    for row in vectors[first.name]:
        *results, state = graph.run(None, {first.name: row[None], "state": state})
        calls.append(results)
    return [np.concatenate([call[i] for call in calls], 1)[0] for i in range(len(calls[0]))]


def test_streaming_the_exported_decoder_equals_whole(exported: Path) -> None:
    vectors = load_file(str(exported / "vectors" / "decoder.safetensors"))
    (mel,) = run_stream(exported, "decoder", vectors)
    np.testing.assert_allclose(mel, vectors["mel"].reshape(mel.shape), atol=1e-4)


def test_streaming_the_exported_vocoder_equals_whole(exported: Path) -> None:
    vectors = load_file(str(exported / "vectors" / "vocoder.safetensors"))
    whole = torch.complex(*(torch.from_numpy(vectors[name]).flatten(0, 1) for name in ("real", "imag")))
    ours = torch.complex(*(torch.from_numpy(part) for part in run_stream(exported, "vocoder", vectors)))
    # A bin whose candidates for a phase cancel out magnifies rounding: judge what is heard.
    torch.testing.assert_close(inverse_spectrum(ours[None]), inverse_spectrum(whole[None]), atol=1e-4, rtol=0)
    assert inverse_spectrum(whole[None]).abs().max() > 0.01


def test_encoder_export(exported: Path) -> None:
    vectors = load_file(str(exported / "vectors" / "encoder.safetensors"))
    (mean,) = session(exported, "encoder").run(None, {"mel": vectors["mel"]})
    np.testing.assert_allclose(mean, vectors["mean"], atol=1e-4)


def test_transformer_export(exported: Path, contract: Contract) -> None:
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


@pytest.mark.parametrize(("name", "network"), [("vae", Vae), ("vocoder", Vocoder), ("transformer", Transformer)])
def test_adopted_weights_are_the_exported_ones(
    name: str, network: type[Vae | Vocoder | Transformer], trained: Trained, exported: Path, tmp_path: Path
) -> None:
    adopt(exported, tmp_path)
    ours, theirs = network(), network()
    load_average(ours, trained.paths[name])
    round_weights(ours)
    load_average(theirs, tmp_path / f"{name}.pt")
    adopted = theirs.state_dict()
    for key, value in ours.state_dict().items():
        assert torch.equal(adopted[key], value), key


def test_training_goes_on_from_adopted_weights(exported: Path, shards: Path, tmp_path: Path) -> None:
    adopt(exported, tmp_path)
    trainer = train_vae.train(VaeRun(shards=(shards,), out=tmp_path / "vae.pt", steps=3, rate=1e-5, device="cpu"))
    assert trainer.step == 3
