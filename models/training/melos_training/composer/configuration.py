"""The configuration of a training run: a TOML file, also stored in the checkpoint."""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..precision import Precision


@dataclass(frozen=True)
class Configuration:
    """The settings of a training run."""

    library: str
    """Path of the file written by `prepare`."""
    seed: int = 0
    frames: int = 256
    """Latents per window."""
    windows: int = 10
    """Windows per step."""
    rate: float = 2e-3
    """The learning rate: constant after `warm_up` steps, until the run is cooled down."""
    warm_up: int = 60
    weight_decay: float = 0.02
    """Weight decay of the matrices trained by Muon."""
    half_life: int = 150
    """Half-life of the weight average, in steps."""
    precision: Precision = "auto"
    """The precision of matrix products; `auto` is bfloat16 where it is faster, otherwise float32."""
    clip: float = 2.0
    """Maximum gradient norm; larger gradients are clipped."""
    importance: dict[str, float] = field(
        default_factory=lambda: {
            "pedal": 0.5,
            "offset": 1.0,
            "voice": 0.7,
            "key": 1.0,
            "velocity": 0.6,
            "duration": 0.8,
        }
    )
    """Weights of the parts of the loss."""
    corpora: dict[str, float] = field(default_factory=lambda: {"pop909": 1.0, "giantmidi": 2.0, "mutopia": 1.0})
    """Weight of each corpus, per second of music."""
    evaluate_every: int = 100
    """Steps between evaluations on held-out music."""
    save_seconds: float = 180.0
    """Seconds between checkpoints."""

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """Reads a TOML file. Raises `ValueError` for an unknown key."""
        return cls.of(tomllib.loads(path.read_text()), str(path))

    @classmethod
    def of(cls, values: dict[str, Any], source: str) -> "Configuration":
        """Creates a configuration from a table. Raises `ValueError`, naming `source`, for an unknown key."""
        known = {field.name for field in fields(cls)}
        for key in values:
            if key not in known:
                raise ValueError(f"{source}: unknown key {key!r}; expected one of {', '.join(sorted(known))}")
        return cls(**values)

    def table(self) -> dict[str, Any]:
        """Returns the configuration as a table."""
        return asdict(self)
