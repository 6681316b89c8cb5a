"""The configuration of a run: read from a TOML file and command-line options, and stored in the checkpoint."""

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


DecayRate = Annotated[float, Field(ge=0, lt=1)]


class Run(BaseModel):
    """Settings common to all runs. Paths in a file are relative to its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    network: ClassVar[str]

    shards: tuple[Path, ...] = Field(min_length=1)
    """Folders written by `melos-corpus prepare`."""
    out: Path
    """The checkpoint; training resumes from it if it exists."""
    minutes: PositiveFloat | None = None
    """Total training time, across resumptions; an alternative to `steps`."""
    steps: PositiveInt | None = None
    """Total training steps, across resumptions."""
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    precision: Precision = "auto"
    """Precision of matrix products: `bfloat16`, `float32`, or `auto`, the faster of the two; a resumed run keeps it."""
    threads: PositiveInt = 1
    every: PositiveInt = 200
    """Steps between lines of metrics."""

    batch: PositiveInt
    """Windows per step and process."""
    rate: PositiveFloat
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.98)
    """Decay rates of AdamW's moment estimates."""
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
    betas: tuple[DecayRate, DecayRate] = (0.8, 0.99)
    frames: int = Field(default=80, gt=32, multiple_of=8)
    """STFT frames per window."""
    gain_db: NonNegativeFloat = 12.0
    """Maximum attenuation of windows in dB; the maximum amplification is a third of that."""
    pianist: Path
    """Checkpoint of a finished pianist."""
    through_pianist: float = Field(default=0.5, ge=0, le=1)
    """Share of windows whose mels the pianist reconstructs; in a performance, all mels come from the pianist."""


class PianistRun(Run):
    network = "pianist"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1.2e-3
    pianos: tuple[str, ...] = Field(min_length=1)
    """Names of the pianos in the shards, in the order of their indices."""
    frames: PositiveInt = Field(default=128, multiple_of=8)
    """Mel frames per window."""
    latent: PositiveInt = 16
    """Dimensions of a latent."""
    kl_weight: NonNegativeFloat = 0.01
    """Weight of the KL divergence, averaged over dimensions, in nepers per nat."""
    kl_ramp: float = Field(default=0.05, gt=0, le=1)
    """Fraction of training over which `kl_weight` rises from 0."""
    free_nats: NonNegativeFloat = 0.1
    """KL divergence per dimension and latent that is not penalised, in nats."""
    attack_weight: NonNegativeFloat = 0.5
    """Weight of the error at attacks, relative to that of all frames."""
    prior: Path | None = None
    """Checkpoint of the finished prior of a published pianist, whose encoder is then not trained further."""
    through_prior: float = Field(default=0.5, ge=0, le=1)
    """Share of windows whose latents are sampled from `prior`; in a performance, all latents come from the prior."""


class PriorRun(Run):
    network = "prior"

    batch: PositiveInt = 8
    rate: PositiveFloat = 1e-3
    pianist: Path
    """Checkpoint of a finished pianist; its encoder is not trained further."""
    frames: PositiveInt = Field(default=512, multiple_of=8)
    """Mel frames per window."""
    drop_mood: float = Field(default=0.2, ge=0, le=1)
    """Probability of dropping a window's mood."""
    own_latents: float = Field(default=0.5, ge=0, le=1)
    """Share of windows in which the previous latents are samples of the prior, as in a performance."""


RUNS: dict[str, type[Run]] = {run.network: run for run in (PianistRun, PriorRun, VocoderRun)}
_PATHS = ("out", "pianist", "prior")


class SettingsError(Exception):
    """Raised for errors in a file or on the command line; its message has one line for each error."""


def _describe_errors(source: str, text: str, settings: type[BaseModel], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        top = str(problem["loc"][0]) if problem["loc"] else ""
        line = next(
            (n for n, row in enumerate(text.splitlines(), 1) if re.match(rf"\s*{re.escape(top)}\s*=", row)), None
        )
        location = f"{source}:{line}" if top and line else source
        if problem["type"] == "extra_forbidden":
            similar = difflib.get_close_matches(key, settings.model_fields, 1)
            hint = f"; did you mean {similar[0]!r}?" if similar else ""
            lines.append(f"{location}: unknown setting {key!r}{hint}")
        elif problem["type"] == "missing":
            lines.append(f"{location}: {key} is missing")
        elif top:
            lines.append(f"{location}: {key} = {problem['input']!r}: {problem['msg']}")
        else:
            lines.append(f"{location}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def read_settings(settings: type[Settings], path: Path) -> Settings:
    """Reads settings from a TOML file. Raises `SettingsError`, which names the file, line and key of every error."""
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
        raise SettingsError(_describe_errors(source, text, settings, error)) from error


def build_run(network: str, file: Path | None, options: Mapping[str, Any]) -> Run:
    """Builds a run from a file, if any, and from the command-line `options` other than `None`, which take precedence.

    Raises `SettingsError` if a setting is missing or invalid.
    """
    values: dict[str, Any] = {}
    text, source = "", "command line"
    if file:
        text, source = _read(file), str(file)
        values = _parse(file, text)
        configured = values.pop("network", network)
        if configured != network:
            raise SettingsError(f"{file}: network = {configured!r}: this command trains the {network}")
        values = _resolve_paths(file.parent, values)
    given = {key: value for key, value in options.items() if value is not None}
    for one, other in (("minutes", "steps"), ("steps", "minutes")):
        if one in given:
            values.pop(other, None)
    return _checked(RUNS[network], values | given, source, text)


def _resolve_paths(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Resolves the paths in a file relative to its folder; values of other types are left to validation."""
    resolved = dict(values)
    for key in _PATHS:
        if isinstance(values.get(key), str):
            resolved[key] = folder / values[key]
    if isinstance(shards := values.get("shards"), list):
        resolved["shards"] = [folder / shard if isinstance(shard, str) else shard for shard in shards]
    return resolved


def stored_run(run: Run) -> dict[str, Any]:
    """Returns a run as it is stored in a checkpoint, with plain values and absolute paths."""
    values = run.model_dump(exclude_none=True)
    return {"network": run.network} | {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def run_to_toml(values: Mapping[str, Any]) -> str:
    """Converts a run, as stored in a checkpoint, to TOML."""
    return tomlkit.dumps(values)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """Lists the differences between a checkpoint's run and the one that resumes it, one line per changed setting."""
    keys = sorted(before.keys() | now.keys())
    return [f"{key}: {before.get(key)} → {now.get(key)}" for key in keys if before.get(key) != now.get(key)]
