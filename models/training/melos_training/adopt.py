"""Converts a published model to checkpoints, so that its training can be continued."""

from pathlib import Path
from typing import Any

from torch import nn

from .checkpoint import save
from .model import Model


def adopt(model: Path, identity: Path, out: Path) -> None:
    """Writes `composer.pt`, `pianist.pt`, `prior.pt` and `vocoder.pt` to the folder `out`, with the weights of `model`.

    `identity` is the file that was used for the export; it maps the pianos' names in training to their display names.
    The checkpoints have no optimizer state, and `--minutes` and `--steps` count from zero.
    """
    published = Model(model)
    run = {"network": "pianist", "latent": published.latent, "pianos": published.training_names(identity)}
    out.mkdir(parents=True, exist_ok=True)

    def write(network: nn.Module, name: str, **extra: Any) -> None:
        state = network.state_dict()
        save({"model": state, "average": state, "step": 0, **extra}, out / f"{name}.pt")

    write(published.composer(), "composer", frames=0)
    write(published.pianist(), "pianist", spent=0.0, run=run)
    write(published.prior(), "prior", spent=0.0)
    write(published.vocoder(), "vocoder", spent=0.0)
