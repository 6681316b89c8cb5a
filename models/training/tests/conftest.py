import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import composer_corpus
import corpus

from melos_training import train_vocoder
from melos_training.composer.library import save
from melos_training.composer.network import Composer
from melos_training.composer.prepare import prepare
from melos_training.export import export
from melos_training.pianist import train_pianist, train_prior
from melos_training.runs import PianistRun, PriorRun, VocoderRun
from melos_training.training import Trainer

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
"""Environment of the programs that tests start."""


class Trained(NamedTuple):
    """Checkpoints of all networks, and the trainers of all but the composer, whose weights are random."""

    paths: dict[str, Path]
    trainers: dict[str, Trainer[Any]]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def quick_measurements() -> Iterator[None]:
    """Limits evaluations on held-out music to a few windows."""
    with pytest.MonkeyPatch.context() as patch:
        for task in (train_pianist, train_prior):
            patch.setattr(task, "BATCH", 2)
            patch.setattr(task, "BATCHES", 1)
        patch.setattr(train_vocoder, "HELD_OUT_WINDOWS", 2)
        yield


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tiny corpus on two pianos."""
    paths = [tmp_path_factory.mktemp(piano) for piano in corpus.PIANOS]
    for folder, piano in zip(paths, corpus.PIANOS):
        corpus.write_corpus(folder, piano)
    return paths


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The composer's library: two training songs and a held-out one."""
    root = tmp_path_factory.mktemp("songs")
    library = prepare({"pop909": composer_corpus.write(root / "pop909", 3)}, root / "library.npz")
    library.songs[2].split = "valid"
    save(library, root / "library.npz")
    return root / "library.npz"


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "identity.toml"
    names = "\n".join(f'{piano} = "the {piano}"' for piano in corpus.PIANOS)
    path.write_text(
        f'name = "x"\nlicence = "MIT"\nattribution = "y"\ntraining_data = "z"\n\n[pianos]\n{names}\n', encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def net() -> Composer:
    """A composer with random weights. The initial weights of the heads are 0, which would hide errors.

    No two parameters are equal, because the exporter merges equal ones.
    """
    torch.manual_seed(3)
    net = Composer().eval().requires_grad_(False)
    for parameter in net.parameters():
        noise = torch.randn_like(parameter) * 0.05
        parameter.copy_(noise if parameter.ndim > 1 else parameter + noise)
    return net


@pytest.fixture(scope="session")
def trained(folders: list[Path], net: Composer, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The pianist, prior and vocoder after a few training steps, and the composer with random weights."""
    out = tmp_path_factory.mktemp("checkpoints")
    paths = {name: out / f"{name}.pt" for name in ("composer", "pianist", "prior", "vocoder")}
    torch.save({"average": net.state_dict(), "step": 0, "frames": 0}, paths["composer"])
    common: dict[str, Any] = {"shards": folders, "device": "cpu", "every": 4}
    pianist = PianistRun(**common, out=paths["pianist"], pianos=corpus.PIANOS, steps=12, batch=2, frames=64, latent=4)
    with_pianist: dict[str, Any] = {**common, "pianist": paths["pianist"]}
    trainers: dict[str, Trainer[Any]] = {
        "pianist": train_pianist.train(pianist),
        "prior": train_prior.train(
            PriorRun(**with_pianist, out=paths["prior"], steps=12, batch=2, frames=64, rate=2e-2)
        ),
        "vocoder": train_vocoder.train(VocoderRun(**with_pianist, out=paths["vocoder"], steps=12, batch=4)),
    }
    return Trained(paths, trainers)


@pytest.fixture(scope="session")
def exported(
    trained: Trained, folders: list[Path], songs: Path, identity: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("export")
    export(**trained.paths, out=out, identity=identity, shards=folders, library=songs, commit="test")
    return out
