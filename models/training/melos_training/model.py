"""The networks of a published model, in PyTorch."""

import tomllib
from pathlib import Path

from .composer.host import NAMES, PREFIX
from .composer.network import Composer
from .identity import Identity
from .pianist.network import Pianist, Prior
from .pianist.windows import MOOD
from .runs import SettingsError, read_settings
from .vocoder import Vocoder
from .weights import load


class Model:
    """A folder written by `export`; networks are loaded on request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        contract = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        self.pianos: list[str] = contract["pianist"]["pianos"]
        self.latent: int = contract["latent"]["dims"]

    def trained_as(self, identity: Path) -> list[str]:
        """The names of its pianos in training, from the identity file used for its export."""
        called = {name: piano for piano, name in read_settings(Identity, identity).pianos.items()}
        if unknown := [name for name in self.pianos if name not in called]:
            raise SettingsError(f"{identity}: [pianos] lacks {', '.join(unknown)}, which {self.folder} has")
        return [called[name] for name in self.pianos]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.onnx"

    def composer(self) -> Composer:
        """The composer, whose weights are distributed over its graphs."""
        return load(Composer(), [self._path(PREFIX + name) for name in NAMES], "step.net.")

    def pianist(self) -> Pianist:
        """Encoder and decoder."""
        pianist = Pianist(len(self.pianos), self.latent)
        load(pianist.encoder, [self._path("encoder")], "encoder.")
        load(pianist.decoder, [self._path("pianist-decoder")], "decoder.")
        return pianist.eval().requires_grad_(False)

    def prior(self) -> Prior:
        """The prior."""
        return load(Prior(len(self.pianos), self.latent, MOOD), [self._path("pianist-prior")], "prior.")

    def vocoder(self) -> Vocoder:
        """The vocoder."""
        return load(Vocoder(), [self._path("vocoder")], "vocoder.")
