"""Renders music with `melos render`, and caches the results."""

import hashlib
import json
import math
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly

from .. import repository
from ..arrays import Floats
from ..composer.midi import read
from ..constants import SAMPLE_RATE
from .written import GeneratedNotes

RATE = 24_000
"""Sample rate of the feature extraction."""
LEAD_IN = 4.0
"""Seconds skipped at the start, where the music has no context yet."""


@dataclass(frozen=True)
class Request:
    """The arguments of a rendering by `melos render`, without reverb, like the held-out music."""

    emotion: str
    seed: int
    seconds: float
    harmony: bool = False
    temperature: float = 1.0
    tempo: float | None = None
    recall: float | None = None
    later_emotion: str | None = None
    """The emotion requested from the middle of the excerpt on."""
    glide: float | None = None
    """Seconds over which the mood changes; Melos's default if `None`."""

    def arguments(self) -> list[str]:
        """Returns the arguments of `melos render`."""
        voices = [] if self.harmony else ["--no-harmony"]
        tempo = [] if self.tempo is None else ["--tempo", str(self.tempo)]
        recall = [] if self.recall is None else ["--set", f"recall={self.recall}"]
        glide = [] if self.glide is None else ["--set", f"glide={self.glide}"]
        return [
            "--emotion",
            self.emotion,
            "--seconds",
            str(self.seconds + LEAD_IN),
            "--temperature",
            str(self.temperature),
            "--set",
            "reverb=0",
            "--bits",
            "16",
            *voices,
            *tempo,
            *recall,
            *glide,
        ]

    def control_log(self) -> str:
        """Returns a control log with the seed and the change of emotion."""
        lines = ["melos-control-log 1", 'version "evaluation"', f"seed {self.seed}"]
        if self.later_emotion:
            lines.append(f'{int((LEAD_IN + self.seconds / 2) * SAMPLE_RATE)} /melos/emotion "{self.later_emotion}"')
        return "\n".join(lines) + "\n"


def _mono(samples: Floats, rate: int) -> Floats:
    common = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(samples.mean(1), rate // common, SAMPLE_RATE // common).astype(np.float32)


@dataclass(frozen=True)
class Rendering:
    """The files that `melos render` wrote for a request: audio, plan and notes."""

    wav: Path
    plan_file: Path
    midi: Path

    def audio(self, rate: int = RATE) -> Floats:
        """Reads mono samples from the end of the lead-in on."""
        samples, _ = soundfile.read(self.wav, dtype="float32", start=int(LEAD_IN * SAMPLE_RATE))
        return _mono(samples, rate)

    def minutes(self, rate: int = RATE) -> Iterator[Floats]:
        """Yields the whole minutes after the lead-in, one at a time, because an hour would take gigabytes."""
        length = 60 * SAMPLE_RATE
        for samples in soundfile.blocks(self.wav, length, dtype="float32", start=int(LEAD_IN * SAMPLE_RATE)):
            if len(samples) == length:
                yield _mono(samples, rate)

    def notes(self) -> GeneratedNotes:
        """Reads the notes that the network generated."""
        played = read(self.midi).performance
        for times in (played.onset, played.key_up, played.pedal_times):
            times -= LEAD_IN
        return GeneratedNotes.of(played, self.plan())

    def plan(self) -> list[dict[str, Any]]:
        """Reads the plan, one entry per 4096 frames; `seconds` counts from the end of the lead-in."""
        entries = [json.loads(line) for line in self.plan_file.read_text().splitlines()]
        return [{**entry, "seconds": entry["frame"] / SAMPLE_RATE - LEAD_IN} for entry in entries]


class Renderer:
    """Runs `melos render` in the repository, and caches renderings in `folder` by binary and model."""

    def __init__(self, melos: Path, folder: Path, model: str) -> None:
        self.melos, self.model = melos.absolute(), model
        contents = [self.melos.read_bytes(), (repository.ROOT / "models" / model / "model.toml").read_bytes()]
        self.folder = folder.absolute() / hashlib.sha256(b"".join(contents)).hexdigest()[:12]
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, request: Request) -> Rendering:
        arguments, log = [*request.arguments(), "--model", self.model], request.control_log()
        name = (
            self.folder / f"{request.emotion}-{hashlib.sha256((' '.join(arguments) + log).encode()).hexdigest()[:12]}"
        )
        rendering = Rendering(*(name.with_suffix(suffix) for suffix in (".wav", ".jsonl", ".mid")))
        if not rendering.wav.exists():
            partial, control_log = name.with_suffix(".part.wav"), name.with_suffix(".log")
            control_log.write_text(log)
            files = {"--control-log": control_log, "--output": partial, "--plan": rendering.plan_file}
            files["--midi"] = rendering.midi
            options = [part for option, path in files.items() for part in (option, str(path))]
            subprocess.run(
                [self.melos, "render", *arguments, *options], check=True, capture_output=True, cwd=repository.ROOT
            )
            partial.rename(rendering.wav)
        return rendering
