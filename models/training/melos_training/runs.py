"""The configuration of a run: from a TOML file and command-line options, and stored in the checkpoint."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

import tomlkit
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from .precision import Precision

Settings = TypeVar("Settings", bound=BaseModel)


Momentum = Annotated[float, Field(ge=0, lt=1)]


class Run(BaseModel):
    """Settings of every training. Paths in a file are relative to its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    network: ClassVar[str]

    shards: tuple[Path, ...] = Field(min_length=1)
    """Folders of `melos-corpus prepare`."""
    out: Path
    """The checkpoint; training resumes from it if it exists."""
    minutes: PositiveFloat | None = None
    """Training time over all resumed runs; alternatively `steps`."""
    steps: PositiveInt | None = None
    """Training steps over all resumed runs."""
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    precision: Precision = "auto"
    """Precision of matrix products: `bfloat16`, `float32`, or `auto` for the faster; a resumed training keeps it."""
    threads: PositiveInt = 1
    every: PositiveInt = 200
    """Steps between lines of the metrics."""

    batch: PositiveInt
    """Windows per step and process."""
    rate: PositiveFloat
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[Momentum, Momentum] = (0.9, 0.98)
    """Weight decay of AdamW."""
    half_life: PositiveInt = 400
    """Half-life of the weight average, in steps."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give either minutes or steps")
        return self


class VocoderRun(Run):
    network = "vocoder"

    batch: PositiveInt = 12
    rate: PositiveFloat = 8e-4
    betas: tuple[Momentum, Momentum] = (0.8, 0.99)
    frames: int = Field(default=80, gt=32, multiple_of=8)
    """STFT frames per window."""
    gain_db: NonNegativeFloat = 12.0
    """Maximum attenuation of windows; they are amplified by up to a third of it."""
    pianist: Path
    """Checkpoint of a finished pianist, through which some of the windows pass."""
    through_pianist: float = Field(default=0.5, ge=0, le=1)
    """Share of windows that pass through the pianist's decoder, whose output is the vocoder's input while playing."""


class PianistRun(Run):
    network = "pianist"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1.2e-3
    pianos: tuple[str, ...] = Field(min_length=1)
    """Names of the pianos in the shards, in the order of their indices."""
    frames: PositiveInt = Field(default=128, multiple_of=8)
    """Mel frames of a window."""
    latent: PositiveInt = 16
    """Dimensions of a latent."""
    kl_weight: NonNegativeFloat = 0.01
    """Weight of the KL, averaged over dimensions, in nepers per nat."""
    kl_ramp: float = Field(default=0.05, gt=0, le=1)
    """The share of the training over which the KL's weight rises from 0."""
    free_nats: NonNegativeFloat = 0.1
    """Free nats per dimension and latent."""
    attack_weight: NonNegativeFloat = 0.5
    """Weight of the error at attacks, relative to that of all frames."""


class PriorRun(Run):
    network = "prior"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1e-3
    pianist: Path
    """The pianist's checkpoint; its encoder is not trained."""
    frames: PositiveInt = Field(default=512, multiple_of=8)
    """Mel frames of a window."""
    drop_mood: float = Field(default=0.2, ge=0, le=1)
    """Probability of dropping a window's mood."""


RUNS: dict[str, type[Run]] = {run.network: run for run in (PianistRun, PriorRun, VocoderRun)}
_PATHS = ("out", "pianist")


class SettingsError(Exception):
    """Errors in a file or on the command line, one per line."""


def _problems(source: str, text: str, settings: type[BaseModel], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        top = str(problem["loc"][0]) if problem["loc"] else ""
        at = next(
            (n for n, line in enumerate(text.splitlines(), 1) if re.match(rf"\s*{re.escape(top)}\s*=", line)), None
        )
        location = f"{source}:{at}" if top and at else source
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, settings.model_fields, 1)
            lines.append(f"{location}: unknown setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif problem["type"] == "missing":
            lines.append(f"{location}: {key} is missing")
        elif top:
            lines.append(f"{location}: {key} = {problem['input']!r}: {problem['msg']}")
        else:
            lines.append(f"{location}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def read_settings(settings: type[Settings], path: Path) -> Settings:
    """The settings in a TOML file. Raises `SettingsError` naming file, line and key."""
    text = _read(path)
    return _checked(settings, _parse(path, text), str(path), text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from error


def _checked(settings: type[Settings], values: Mapping[str, Any], source: str, text: str) -> Settings:
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_problems(source, text, settings, error)) from error


def describe_run(network: str, file: Path | None, options: Mapping[str, Any]) -> Run:
    """The run described by a file, if any, overridden by command-line `options` other than `None`.

    Raises `SettingsError`.
    """
    values: dict[str, Any] = {}
    text, source = "", "command line"
    if file:
        text, source = _read(file), str(file)
        values = _parse(file, text)
        named = values.pop("network", network)
        if named != network:
            raise SettingsError(f"{file}: network = {named!r}: this command trains the {network}")
        values = _beside(file.parent, values)
    given = {key: value for key, value in options.items() if value is not None}
    for one, other in (("minutes", "steps"), ("steps", "minutes")):
        if one in given:
            values.pop(other, None)
    return _checked(RUNS[network], values | given, source, text)


def _beside(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The settings of a file, with paths relative to its folder; invalid paths are left for validation."""
    placed = dict(values)
    for key in _PATHS:
        if isinstance(values.get(key), str):
            placed[key] = folder / values[key]
    if isinstance(shards := values.get("shards"), list):
        placed["shards"] = [folder / shard if isinstance(shard, str) else shard for shard in shards]
    return placed


def kept(run: Run) -> dict[str, Any]:
    """A run as stored in a checkpoint: plain values, absolute paths."""
    values = run.model_dump(exclude_none=True)
    return {"network": run.network} | {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def written(values: Mapping[str, Any]) -> str:
    """A run stored in a checkpoint, as a TOML file."""
    return tomlkit.dumps(values)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """Differences between a checkpoint's run and the one that resumes it, one line per setting."""
    keys = sorted(before.keys() | now.keys())
    return [f"{key}: {before.get(key)} → {now.get(key)}" for key in keys if before.get(key) != now.get(key)]
