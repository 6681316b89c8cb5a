"""Checkpoints from a published model folder, so that training goes on from the weights that ship."""

from pathlib import Path
from typing import Any

from torch import nn

from .checkpoint import save
from .identity import Identity
from .model import Model
from .runs import SettingsError, read_settings


def adopt(model: Path, identity: Path, out: Path) -> None:
    """Writes `composer.pt`, `pianist.pt`, `prior.pt` and `vocoder.pt` into the folder `out` from the files of `model`.

    `identity` is the file it was exported with: it knows what the pianos were called in training. The checkpoints hold
    no optimizer and have spent no time: `--minutes` counts from here.
    """
    published = Model(model)
    called = {name: piano for piano, name in read_settings(Identity, identity).pianos.items()}
    if unknown := [name for name in published.pianos if name not in called]:
        raise SettingsError(f"{identity}: [pianos] has none called {', '.join(unknown)}, as {model} has")
    run = {"network": "pianist", "latent": published.latent, "pianos": [called[name] for name in published.pianos]}
    out.mkdir(parents=True, exist_ok=True)

    def write(network: nn.Module, name: str, **extra: Any) -> None:
        state = network.state_dict()
        save({"model": state, "average": state, "step": 0, **extra}, out / f"{name}.pt")

    write(published.composer(), "composer", frames=0)
    write(published.pianist(), "pianist", spent=0.0, run=run)
    write(published.prior(), "prior", spent=0.0)
    write(published.vocoder(), "vocoder", spent=0.0)
