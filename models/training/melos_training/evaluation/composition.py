"""Measures the generated notes: comparison with real music, repetition, and the effect of the temperature."""

from pathlib import Path

import numpy as np

from ..composer.evaluation import TOUCH, Rows, frechet, summary
from ..composer.excerpts import Excerpt, leave_unspecified, play
from ..composer.features import features
from ..composer.midi import Performance
from ..composer.sampling import Sampling
from ..constants import EMOTIONS
from . import plots
from .renders import Rendering, Request
from .statistics import mean
from .structure import RATE, SCALES, indices
from .study import Study
from .tables import table
from .written import by_skyline

TEMPERATURES = (0.2, 0.6, 1.0, 1.4, 2.0)
RECALLS = (0.0, 0.5, 0.9, 1.0)
STRUCTURE_SECONDS = 120.0
GUIDANCE = 1.3
"""Scale of the guidance of keys in the daemon when the parameter `guidance` has its default value."""
LEAD_IN = 4.0
"""Seconds skipped at the start of a song's excerpt, as at that of a rendering."""
CHORDS, LEVEL = "chords", "level, dB"
SHOWN = ("note entropy", CHORDS, "bars alike 4", "roll repeats", "notes/s", "groups/s", LEVEL, "half-beat strength")


def _measure(study: Study, excerpt: Excerpt, performance: Performance) -> dict[str, float]:
    """Measures the features of a performance in an excerpt's setting, over the same duration as those of renderings."""
    return features(by_skyline(performance), excerpt.setting, LEAD_IN, LEAD_IN + study.sizes.seconds)


def _real(study: Study, chosen: list[Excerpt]) -> Rows:
    """Measures the features of songs."""
    return [row for e in chosen if (row := _measure(study, e, e.performance()))]


def _planned(study: Study, chosen: list[Excerpt]) -> Rows:
    """Measures the features of what the composer plays from the plans of songs, with the daemon's default settings."""
    change = leave_unspecified(*TOUCH)
    performances = play(study.composer, study.library, chosen, Sampling(guidance=GUIDANCE), change=change)
    return [row for e, p in zip(chosen, performances) if (row := _measure(study, e, p))]


def _written(study: Study, requests: list[Request]) -> Rows:
    """Measures the features of renderings, including the number of chords and the level."""

    def measured(rendering: Rendering) -> dict[str, float]:
        written = rendering.notes()
        row = written.measure(study.sizes.seconds)
        level = float(10 * np.log10(np.mean(rendering.audio() ** 2) + 1e-12))
        return row | {CHORDS: float(written.chords), LEVEL: level} if row else {}

    return [row for row in study.map_renderings(requests, measured) if row]


def compare_notes(study: Study, folder: Path) -> str:
    real, elsewhere = (_real(study, chosen) for chosen in (study.songs, study.songs_elsewhere))
    names = list(real[0])
    planned = _planned(study, study.songs)
    written = [{name: row[name] for name in names} for row in _written(study, study.requests(False))]
    real_summary = summary(real)

    def difference(name: str, rows: Rows) -> str:
        """Formats the difference from real music in pooled standard deviations."""
        (real_mean, real_deviation), (mean, deviation) = real_summary[name], summary(rows)[name]
        return f"{(mean - real_mean) / max(float(np.sqrt((real_deviation**2 + deviation**2) / 2)), 1e-9):+.2f}"

    rows = [
        [
            name,
            f"{real_summary[name][0]:.3f} ± {real_summary[name][1]:.3f}",
            *(f"{summary(other)[name][0]:.3f}" for other in (elsewhere, planned, written)),
            *(difference(name, other) for other in (elsewhere, planned, written)),
        ]
        for name in names
    ]
    distances = {
        "the notes generated from the songs' plans": planned,
        "those generated for the emotions": written,
        "other passages of the songs": elsewhere,
    }
    listed = ", ".join(f"{frechet(real, other, real):.1f} for {name}" for name, other in distances.items())
    halves = frechet(real[::2], real[1::2], real)
    columns = ("elsewhere", "planned", "emotions")
    return (
        f"Passages of {len(real)} held-out songs of POP909 are compared with what the composer plays from their plans "
        "(`planned`: the song's mood, chords, beats, form, density, loudness and register, but not the durations of "
        "its notes, its pedal or its preceding notes), and with excerpts played by the network alone, with every "
        f"emotion requested equally often (`emotions`, {len(written)} excerpts), although the songs are not balanced. "
        "As a baseline, other passages of the same songs (`elsewhere`) are also compared. `d` is the difference from "
        "the songs in pooled standard deviations. In all excerpts, the melody consists of the notes with no higher key "
        "sounding.\n\n"
        f"Fréchet distance from the songs over all features: {listed}; {halves:.1f} between halves of the songs. "
        f"Targets: at most {1.5 * halves:.1f}, and each `d` within 0.5, for the songs' plans.\n\n"
    ) + table(["", "songs", *columns, *(f"d, {column}" for column in columns)], rows)


def compare_structure(study: Study, folder: Path) -> str:
    seeds = range(1, max(2, study.sizes.excerpts // 8) + 1)
    rows = []
    for recall in RECALLS:
        requests = [
            Request(name, seed, STRUCTURE_SECONDS, recall=recall) for seed in seeds for name in ("happy", "calm", "sad")
        ]
        rendered = [indices(rendering.audio(RATE)) for rendering in map(study.render, requests)]
        rows.append([f"recall {recall:g}", *(mean([x[scale] for x in rendered]) for scale in SCALES), len(rendered)])
    real = [indices(x.audio(RATE)) for x in study.long_pieces(STRUCTURE_SECONDS)]
    for percentile in (25, 50, 75):
        values = (f"{np.percentile([x[scale] for x in real], percentile):.3f}" for scale in SCALES)
        rows.append([f"real music, {percentile}th percentile", *values, len(real)])
    return (
        f"Structureness index of the first {STRUCTURE_SECONDS:g} s of performances by the network alone, and of "
        "sufficiently long held-out pieces.\n\n"
        + table(["", *SCALES, "N"], rows)
        + "\nTarget: within the interquartile range of real music, and rising with recall.\n"
    )


def measure_temperature(study: Study, folder: Path) -> str:
    seeds = range(1, max(4, study.sizes.excerpts // 8) + 1)

    def requests(temperature: float) -> list[Request]:
        return [Request(e, seed, study.sizes.seconds, temperature=temperature) for e in EMOTIONS[:4] for seed in seeds]

    summaries = {temperature: summary(_written(study, requests(temperature))) for temperature in TEMPERATURES}
    points = {temperature: {name: values[name][0] for name in SHOWN} for temperature, values in summaries.items()}
    rows = [[temperature, *(f"{value:.3f}" for value in values.values())] for temperature, values in points.items()]
    return (
        f"{4 * len(seeds)} excerpts per temperature. `{CHORDS}` is the number of different chords requested; the level "
        "is that of the audio.\n\n"
        + table(["temperature", *SHOWN], rows)
        + "\n"
        + plots.temperature(points, folder)
        + "\n"
    )
