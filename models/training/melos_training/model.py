"""Loads the networks of a published model into PyTorch."""

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
    """A published model, in a folder written by `export`. Each network has a method that loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        manifest = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        self.pianos: list[str] = manifest["pianist"]["pianos"]
        self.latent: int = manifest["latent"]["dims"]

    def training_names(self, identity: Path) -> list[str]:
        """Returns the training names of the model's pianos, from the identity file that was used for the export.

        Raises `SettingsError` if the file does not name all of them.
        """
        by_display_name = {name: piano for piano, name in read_settings(Identity, identity).pianos.items()}
        if unknown := [name for name in self.pianos if name not in by_display_name]:
            raise SettingsError(f"{identity}: [pianos] does not contain {', '.join(unknown)}, used by {self.folder}")
        return [by_display_name[name] for name in self.pianos]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.onnx"

    def composer(self) -> Composer:
        """Loads the composer, whose weights are distributed over several graphs."""
        return load(Composer(), [self._path(PREFIX + name) for name in NAMES], "step.net.")

    def pianist(self) -> Pianist:
        """Loads the pianist: encoder and decoder."""
        pianist = Pianist(len(self.pianos), self.latent)
        load(pianist.encoder, [self._path("encoder")], "encoder.")
        load(pianist.decoder, [self._path("pianist-decoder")], "decoder.")
        return pianist.eval().requires_grad_(False)

    def prior(self) -> Prior:
        """Loads the prior."""
        return load(Prior(len(self.pianos), self.latent, MOOD), [self._path("pianist-prior")], "prior.")

    def vocoder(self) -> Vocoder:
        """Loads the vocoder."""
        return load(Vocoder(), [self._path("vocoder")], "vocoder.")
