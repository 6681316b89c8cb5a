"""What describes a training: a TOML file, options of the command line, and the same kept in the checkpoint."""

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
    """What every training has. Paths in a file are relative to its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    network: ClassVar[str]

    shards: tuple[Path, ...] = Field(min_length=1)
    """Folders of `melos-corpus prepare`."""
    out: Path
    """The checkpoint; training resumes from it if it exists."""
    minutes: PositiveFloat | None = None
    """Training time over all resumed runs; or else `steps`."""
    steps: PositiveInt | None = None
    """Training steps over all resumed runs."""
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    precision: Precision = "auto"
    """Of products: `bfloat16`, `float32`, or `auto`, the faster one; a resumed training keeps to it."""
    threads: PositiveInt = 1
    every: PositiveInt = 200
    """Steps between two lines of the metrics."""

    batch: PositiveInt
    """Windows a step, in each process."""
    rate: PositiveFloat
    """Highest learning rate."""
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[Momentum, Momentum] = (0.9, 0.98)
    """Of AdamW."""
    half_life: PositiveInt = 400
    """Steps after which a weight has lost half of its share in the average."""

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
    """STFT frames of a window."""
    gain_db: NonNegativeFloat = 12.0
    """Windows are made quieter by up to this, and louder by up to a third of it."""
    pianist: Path
    """A finished pianist's checkpoint, through which some of the windows are passed."""
    through_pianist: float = Field(default=0.5, ge=0, le=1)
    """The share of windows passed through the pianist's decoder, whose output is the vocoder's input while playing."""


class PianistRun(Run):
    network = "pianist"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1.2e-3
    pianos: tuple[str, ...] = Field(min_length=1)
    """Names of the pianos in the shards, in the order of their numbers."""
    frames: PositiveInt = Field(default=128, multiple_of=8)
    """Mel frames of a window."""
    latent: PositiveInt = 16
    """Dimensions of a latent."""
    kl_weight: NonNegativeFloat = 0.01
    """Of the mean over dimensions, in nepers a nat."""
    kl_ramp: float = Field(default=0.05, gt=0, le=1)
    """The share of the training over which the KL's weight rises from 0."""
    free_nats: NonNegativeFloat = 0.1
    """KL that each dimension has for nothing, in nats a latent."""
    attack_weight: NonNegativeFloat = 0.5
    """Of the error at attacks, beside that of all frames."""


class PriorRun(Run):
    network = "prior"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1e-3
    pianist: Path
    """The pianist's checkpoint; its encoder stays as it is."""
    frames: PositiveInt = Field(default=512, multiple_of=8)
    """Mel frames of a window."""
    drop_mood: float = Field(default=0.2, ge=0, le=1)
    """How often a window goes without a mood."""


RUNS: dict[str, type[Run]] = {run.network: run for run in (PianistRun, PriorRun, VocoderRun)}
_PATHS = ("out", "pianist")


class SettingsError(Exception):
    """What is wrong in a file or on the command line: one line for every problem."""


def _problems(source: str, text: str, settings: type[BaseModel], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        top = str(problem["loc"][0]) if problem["loc"] else ""
        at = next(
            (n for n, line in enumerate(text.splitlines(), 1) if re.match(rf"\s*{re.escape(top)}\s*=", line)), None
        )
        place = f"{source}:{at}" if top and at else source
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, settings.model_fields, 1)
            lines.append(f"{place}: there is no setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif problem["type"] == "missing":
            lines.append(f"{place}: {key} is missing")
        elif top:
            lines.append(f"{place}: {key} = {problem['input']!r}: {problem['msg']}")
        else:
            lines.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def read_settings(settings: type[Settings], path: Path) -> Settings:
    """The settings in a TOML file. Raises `SettingsError` naming file, line and key."""
    text = _read(path)
    return _checked(settings, _parse(path, text), str(path), text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error


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
    """The run of a file, if any, with the `options` of the command line over it; those that are `None` are not given.

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
    """A run as a checkpoint keeps it: plain values, paths absolute."""
    values = run.model_dump(exclude_none=True)
    return {"network": run.network} | {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def written(values: Mapping[str, Any]) -> str:
    """The run that a checkpoint keeps, as the TOML file that describes it."""
    return tomlkit.dumps(values)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """Differences between the run of a checkpoint and the one that resumes from it, one line per setting."""
    keys = sorted(before.keys() | now.keys())
    return [f"{key}: {before.get(key)} → {now.get(key)}" for key in keys if before.get(key) != now.get(key)]
