import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import corpus  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    corpus.write_corpus(folder)
    return folder


@pytest.fixture(scope="session")
def trained(shards, tmp_path_factory):
    """Checkpoints of all three networks after a few steps, and their logs."""
    from melos_training import train_transformer, train_vae, train_vocoder

    out = tmp_path_factory.mktemp("checkpoints")
    paths = {name: out / f"{name}.pt" for name in ("vae", "vocoder", "transformer")}
    trainers = {
        "vae": train_vae.train([shards], paths["vae"], steps=20, every=5),
        "vocoder": train_vocoder.train([shards], paths["vocoder"], steps=12, every=4, vae=paths["vae"]),
        "transformer": train_transformer.train([shards], paths["vae"], paths["transformer"], steps=12, every=4),
    }
    return paths, trainers


@pytest.fixture(scope="session")
def exported(trained, shards, tmp_path_factory):
    from melos_training.export import export

    paths, _ = trained
    out = tmp_path_factory.mktemp("export")
    export(**paths, out=out, shards=[shards], commit="test")
    return out
