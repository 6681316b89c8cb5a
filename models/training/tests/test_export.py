"""Tests that the exported graphs match PyTorch, and that the manifest describes them."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import Trained
from corpus import PIANOS
from safetensors.numpy import load_file

from melos_training.adopt import adopt
from melos_training.arrays import Array
from melos_training.composer.configuration import Configuration
from melos_training.composer.graphs import build
from melos_training.composer.host import ROWS
from melos_training.composer.layout import RECALL_SLOT, SLOT_WIDTH
from melos_training.composer.library import load
from melos_training.composer.training import Run
from melos_training.composer.vectors import LATENTS, RECALL_FROM, performance
from melos_training.export import MIN_HALF_SIZE, export
from melos_training.mel import inverse_spectrum
from melos_training.model import Model
from melos_training.pianist import train_pianist, train_prior
from melos_training.runs import PianistRun, PriorRun, SettingsError

NETWORKS = ("pianist-prior", "pianist-decoder", "encoder", "vocoder")

Manifest = dict[str, Any]


@pytest.fixture
def manifest(exported: Path) -> Manifest:
    return tomllib.loads((exported / "model.toml").read_text(encoding="utf-8"))


def session(exported: Path, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(exported / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


def test_onnx_runtime_version_matches_the_daemon() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    assert f"\nONNXRUNTIME := {onnxruntime.__version__}\n" in makefile


def test_manifest_describes_the_graphs(exported: Path, manifest: Manifest) -> None:
    parts = ("frame", "pedal", "offset", "voice", "key", "velocity", "duration", "note")
    names = [f"{n}.onnx" for n in (*(f"composer-{part}" for part in parts), *NETWORKS)]
    assert [file["name"] for file in manifest["file"]] == names
    for file in manifest["file"]:
        data = (exported / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"] and len(data) == file["bytes"]
        graph = session(exported, file["name"].removesuffix(".onnx"))
        for kind, ports in (("input", graph.get_inputs()), ("output", graph.get_outputs())):
            shapes = [[ROWS if size == "rows" else size for size in port.shape] for port in ports]
            assert [(p["name"], p["shape"]) for p in file[kind]] == list(
                zip((port.name for port in ports), shapes, strict=True)
            )


def test_the_first_row_of_the_transformer_can_run_alone(exported: Path) -> None:
    graph = session(exported, "composer-frame")
    generator = np.random.default_rng(1)
    shapes = {port.name: [ROWS if size == "rows" else size for size in port.shape] for port in graph.get_inputs()}
    both = {name: generator.random(shape, np.float32) for name, shape in shapes.items()}
    first = {p.name: both[p.name][:1] if "rows" in p.shape else both[p.name] for p in graph.get_inputs()}
    for port, expected, alone in zip(graph.get_outputs(), graph.run(None, both), graph.run(None, first), strict=True):
        axis = port.shape.index("rows")
        np.testing.assert_allclose(alone, expected.take([0], axis), atol=1e-5)
        assert alone.shape[axis] == 1


def test_manifest_contains_the_identity(manifest: Manifest, identity: Path) -> None:
    expected = tomllib.loads(identity.read_text(encoding="utf-8"))
    assert manifest["pianist"]["pianos"] == list(expected.pop("pianos").values())
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["training_commit"] == "test"


def test_export_requires_a_licence_and_the_names_of_the_pianos(
    trained: Trained, folders: list[Path], songs: Path, tmp_path: Path
) -> None:
    identity = tmp_path / "identity.toml"
    text = 'name = "x"\nlicense = "MIT"\nattribution = "y"\ntraining_data = "z"\n[pianos]\ngrand = "g"\n'
    arguments: dict[str, Any] = dict(trained.paths) | {
        "out": tmp_path / "out",
        "identity": identity,
        "shards": folders,
        "library": songs,
    }
    identity.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        export(**arguments)
    assert f"{identity}: licence is missing" in str(error.value)
    assert f"{identity}:2: unknown setting 'license'; did you mean 'licence'?" in str(error.value)
    identity.write_text(text.replace("license", "licence"), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"identity\.toml: pianos\.upright is missing; the pianist's pianos are"):
        export(**arguments)
    assert not (tmp_path / "out").exists()


def run_stream(exported: Path, name: str, vectors: Mapping[str, Array]) -> list[Array]:
    """Runs a graph over the stored calls, and returns its outputs, each concatenated over the calls."""
    graph = session(exported, name)
    ports = graph.get_inputs()
    state = np.zeros(next(port.shape for port in ports if port.name == "state"), np.float32)
    calls = []
    for row in range(len(vectors[ports[0].name])):
        feed = {port.name: vectors[port.name][row].reshape(port.shape) for port in ports if port.name != "state"}
        *results, state = graph.run(None, feed | {"state": state})
        calls.append(results)
    return [np.concatenate([call[i] for call in calls]) for i in range(len(calls[0]))]


@pytest.mark.parametrize(("name", "graph"), [("prior", "pianist-prior"), ("decoder", "pianist-decoder")])
def test_streaming_the_exported_pianist_matches_the_whole_sequence(exported: Path, name: str, graph: str) -> None:
    vectors = load_file(str(exported / "vectors" / f"{name}.safetensors"))
    outputs = [port.name for port in session(exported, graph).get_outputs()][:-1]
    for output, streamed in zip(outputs, run_stream(exported, graph, vectors), strict=True):
        np.testing.assert_allclose(streamed, vectors[output], atol=1e-4)
        assert np.ptp(vectors[output]) > 0


def test_streaming_the_exported_vocoder_matches_the_whole_sequence(exported: Path) -> None:
    vectors = load_file(str(exported / "vectors" / "vocoder.safetensors"))
    whole = torch.complex(*(torch.from_numpy(vectors[name]).flatten(0, 1) for name in ("real", "imag")))
    parts = (torch.from_numpy(part).flatten(0, 1) for part in run_stream(exported, "vocoder", vectors))
    streamed = torch.complex(*parts)
    # Rounding errors are magnified in the few bins in which the predicted phase vectors cancel out, so compare the
    # audio. A wrong state would cause an error as loud as the audio.
    audio, expected = inverse_spectrum(streamed[None]), inverse_spectrum(whole[None])
    assert expected.abs().max() > 0.01
    assert (audio - expected).norm() < 0.01 * expected.norm()


def test_the_exported_encoder_matches_pytorch(exported: Path) -> None:
    vectors = load_file(str(exported / "vectors" / "encoder.safetensors"))
    (mean,) = session(exported, "encoder").run(None, {"mel": vectors["mel"]})
    np.testing.assert_allclose(mean, vectors["mean"], atol=1e-4)


def test_pytorch_reproduces_the_performance_of_the_exported_composer(exported: Path, songs: Path) -> None:
    stored = load_file(str(exported / "vectors" / "composer.safetensors"))
    # A random number close to the boundary between two classes could select the other class; with this seed, none does.
    played = performance(load(songs), dict(build(Model(exported).composer())))
    assert len(stored["notes"]) > 50 and stored["pedal"].shape == (LATENTS, 2)
    for name in ("frame", "fine", "dice", "notes", "pedal", "memory"):
        np.testing.assert_allclose(stored[name], played[name], atol=1e-6)
    recalled = stored["memory"][stored["memory"][:, 1] >= RECALL_SLOT * SLOT_WIDTH]
    assert len(recalled) and recalled[:, 0].min() >= RECALL_FROM


def test_adopted_weights_match_the_exported_ones(
    trained: Trained, exported: Path, identity: Path, tmp_path: Path
) -> None:
    adopt(exported, identity, tmp_path)
    for name, path in trained.paths.items():
        original, adopted = (torch.load(x, weights_only=True) for x in (path, tmp_path / f"{name}.pt"))
        assert original["average"].keys() == adopted["average"].keys()
        for key, value in original["average"].items():
            rounded = value.half().float() if value.numel() >= MIN_HALF_SIZE else value
            assert torch.equal(adopted["average"][key], rounded), f"{name}: {key}"


def test_training_continues_from_adopted_weights(
    exported: Path, folders: list[Path], songs: Path, identity: Path, tmp_path: Path
) -> None:
    adopt(exported, identity, tmp_path)
    common: dict[str, Any] = {"shards": folders, "device": "cpu", "rate": 1e-5, "batch": 2, "frames": 64}
    pianist = PianistRun(out=tmp_path / "pianist.pt", pianos=PIANOS, latent=4, steps=2, **common)
    assert train_pianist.train(pianist).step == 2
    prior = PriorRun(out=tmp_path / "prior.pt", pianist=tmp_path / "pianist.pt", steps=2, **common)
    assert train_prior.train(prior).step == 2
    composer = Run(tmp_path, Configuration(library=str(songs), frames=64, windows=2), "cpu")
    composer.train(steps=1)
    assert composer.step == 1
