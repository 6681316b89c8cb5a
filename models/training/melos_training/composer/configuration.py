"""The configuration of a training run: a TOML file, also stored in the checkpoint."""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Configuration:
    """A training run."""

    library: str
    """The file that `prepare` wrote."""
    seed: int = 0
    frames: int = 256
    """Frames to a window."""
    windows: int = 10
    """Windows to a step."""
    rate: float = 2e-3
    """The learning rate, constant after `warm_up` steps until a run cools down."""
    warm_up: int = 60
    weight_decay: float = 0.02
    """Of the matrices that Muon trains."""
    half_life: int = 150
    """Steps in which the averaged weights forget half."""
    bfloat16: bool = True
    """Whether products are computed in bfloat16; a processor without instructions for it is much faster without."""
    clip: float = 2.0
    """The largest norm of a step's gradient."""
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
    """How much the parts of the likelihood count."""
    corpora: dict[str, float] = field(default_factory=lambda: {"pop909": 1.0, "giantmidi": 2.0, "mutopia": 1.0})
    """How much a second of each corpus counts."""
    evaluate_every: int = 100
    """Steps between measurements on held-out music."""
    save_seconds: float = 180.0

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """Reads a TOML file. Raises `ValueError` for a key that means nothing."""
        return cls.of(tomllib.loads(path.read_text()), str(path))

    @classmethod
    def of(cls, values: dict[str, Any], source: str) -> "Configuration":
        """The configuration of a table."""
        known = {field.name for field in fields(cls)}
        for key in values:
            if key not in known:
                raise ValueError(f"{source}: key {key!r} means nothing; known are {', '.join(sorted(known))}")
        return cls(**values)

    def table(self) -> dict[str, Any]:
        """As a table."""
        return asdict(self)
