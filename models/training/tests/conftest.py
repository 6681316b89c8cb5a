import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import corpus

from melos_training import train_transformer, train_vae, train_vocoder
from melos_training.export import export
from melos_training.runs import TransformerRun, VaeRun, VocoderRun
from melos_training.training import Trainer

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
"""Of the programs that tests start."""
IDENTITY = HERE.parent / "identities" / "melos-piano.toml"


class Trained(NamedTuple):
    """Checkpoints of all three networks, and who trained them."""

    paths: dict[str, Path]
    trainers: dict[str, Trainer[Any]]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    corpus.write_corpus(folder)
    return folder


@pytest.fixture(scope="session")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """All three networks after a few steps."""
    out = tmp_path_factory.mktemp("checkpoints")
    paths = {name: out / f"{name}.pt" for name in ("vae", "vocoder", "transformer")}
    common: dict[str, Any] = {"shards": [shards], "device": "cpu"}
    vae = VaeRun(**common, out=paths["vae"], steps=20, every=5)
    vocoder = VocoderRun(**common, out=paths["vocoder"], steps=12, every=4, vae=paths["vae"])
    transformer = TransformerRun(**common, out=paths["transformer"], steps=12, every=4, vae=paths["vae"])
    trainers: dict[str, Trainer[Any]] = {
        "vae": train_vae.train(vae),
        "vocoder": train_vocoder.train(vocoder),
        "transformer": train_transformer.train(transformer),
    }
    return Trained(paths, trainers)


@pytest.fixture(scope="session")
def exported(trained: Trained, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export")
    export(**trained.paths, out=out, identity=IDENTITY, shards=[shards], commit="test")
    return out
