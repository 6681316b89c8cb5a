"""Compares held-out songs with what the composer plays from their plans."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..evaluation.memory import hash_runs, melody
from . import mood
from .batches import collate, held_out, keep_conditions, without_conditions
from .conditions import GROUPS
from .excerpts import OTHER_POSITION, Excerpt, choose_excerpts, leave_unspecified, load_average, play, recall
from .features import recalled_alike
from .layout import LATENT_SECONDS, FloatArray, IntArray
from .library import Library, load
from .midi import Performance
from .mood import ANCHORS, EMOTIONS
from .network import Composer
from .playing import Plan
from .report import write_report
from .sampling import Sampling
from .training import nats_per_note

TEMPERATURES = (0.2, 0.6, 1.0, 1.4, 2.0)
SWEEP_EXCERPTS = 24
"""Maximum number of excerpts per setting when settings are compared."""
RECALL_SECONDS = 100.0
RECALL_EXCERPTS = 16
RECALLS: tuple[float | None, ...] = (None, 0.2, 0.6, 1.0)
TOUCH = ("length", "pedalling")
"""Conditions for the touch, which the daemon leaves unspecified."""
NOT_MOOD = ("density", "loudness", "register", "length", "pedalling", "recall", "phrase")
"""Conditions left unspecified to evaluate the effect of the mood alone."""
CLIP = 4.0
"""Limit, in standard deviations, to which features are clipped."""
PASSAGE_LENGTHS = (8, 10, 12)
"""Lengths, in intervals, of the top-line passages searched for in the training songs."""
LIKELIHOOD_WINDOWS = 48

Rows = list[dict[str, float]]


def nats_per_note_by_variant(net: Composer, library: Library, latents: int = 256) -> dict[str, dict[str, float]]:
    """Measures the nats per note on held-out music, with all conditions and without some of them."""
    windows = held_out(library, "valid", "pop909", latents, LIKELIHOOD_WINDOWS)
    harmony = ("chord", "bass", "next")
    metre = ("beat", "bar", "tempo", "phrase")
    variants = {
        "all conditions": windows,
        "no conditions, no memory": [without_conditions(w) for w in windows],
        "no conditions": [keep_conditions(w) for w in windows],
        "no memory": [replace(w, memory=w.memory.without(np.arange(5))) for w in windows],
        "no recall": [replace(w, memory=w.memory.without(np.array([4]))) for w in windows],
        "without harmony": [keep_conditions(w, tuple(g for g in GROUPS if g not in harmony)) for w in windows],
        "without metre": [keep_conditions(w, tuple(g for g in GROUPS if g not in metre)) for w in windows],
    }
    for group in GROUPS:
        variants[f"without {group}"] = [keep_conditions(w, tuple(g for g in GROUPS if g != group)) for w in windows]
    nats = {name: nats_per_note(net, collate(variant)) for name, variant in variants.items()}
    for corpus in ("giantmidi", "mutopia"):
        nats[corpus] = nats_per_note(net, collate(held_out(library, "valid", corpus, latents, 12)))
    return nats


def summary(rows: Rows) -> dict[str, tuple[float, float]]:
    """Returns the mean and standard deviation of each feature."""
    table = {name: np.array([row.get(name, np.nan) for row in rows]) for name in rows[0]}
    return {name: (float(np.nanmean(values)), float(np.nanstd(values))) for name, values in table.items()}


def frechet(one: Rows, other: Rows, scale: Rows) -> float:
    """Returns the Fréchet distance between two sets of excerpts, with features in standard deviations of `scale`."""
    names = list(scale[0])
    spread = np.array([[row.get(name, np.nan) for name in names] for row in scale])
    means, deviations = np.nanmean(spread, 0), np.maximum(np.nanstd(spread, 0), 1e-6)

    def standardise(rows: Rows) -> FloatArray:
        values = (np.array([[row.get(name, np.nan) for name in names] for row in rows]) - means) / deviations
        # Without clipping, features that are almost constant in real music would dominate.
        return np.clip(np.nan_to_num(values), -CLIP, CLIP)

    a, b = standardise(one), standardise(other)
    covariances = np.cov(a.T), np.cov(b.T)
    # The trace of the square root of a product of two covariances is the sum of the square roots of the product's
    # eigenvalues.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0))
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + traces - 2 * roots.sum())


def copied(library: Library, performances: list[Performance]) -> dict[str, float]:
    """Returns the share of top-line passages, by length, whose intervals also occur in a training song."""
    training = [_intervals(song.performance) for song in library.split("train")]
    written = [_intervals(performance) for performance in performances]
    shares = {}
    for length in PASSAGE_LENGTHS:
        known = np.unique(np.concatenate([hash_runs(intervals, length) for intervals in training]))
        hashes = np.concatenate([hash_runs(intervals, length) for intervals in written])
        shares[str(length)] = float(np.isin(hashes, known).mean())
    return shares


def _intervals(performance: Performance) -> IntArray:
    """Returns the intervals of the top line."""
    return np.diff(melody(np.stack([performance.onset, performance.pitch], 1)))


def estimate_mood(library: Library, performance: Performance) -> FloatArray:
    """Returns the valence and arousal of an excerpt, labelled like the training music."""
    features, _ = mood.measure(performance, False)
    middle = features[8 : max(9, len(features) - 8)]
    known = middle[~np.isnan(middle[:, mood.INDEX["density"]])]
    return library.labeller.label(known)[1].mean(0) if len(known) else np.full(2, np.nan)


def moods(net: Composer, library: Library, chosen: list[Excerpt]) -> dict[str, Any]:
    """Measures the moods of performances with only a mood, chords and metre specified."""

    def request_mood(index: int, plan: Plan) -> None:
        leave_unspecified(*NOT_MOOD)(plan)
        latents = len(plan.conditions.coarse)
        plan.conditions.set("emotion", np.tile(np.eye(len(EMOTIONS))[index], (latents, 1)))
        plan.conditions.set("affect", np.tile(ANCHORS[index], (latents, 1)))

    estimated, summaries = {}, {}
    for index, emotion in enumerate(EMOTIONS):
        performances = play(net, library, chosen, Sampling(), change=partial(request_mood, index))
        estimated[emotion] = np.nanmean([estimate_mood(library, p) for p in performances], 0)
        summaries[emotion] = summary([e.measure(p) for e, p in zip(chosen, performances)])
    table = np.array(list(estimated.values()))
    correlations = [float(np.corrcoef(ANCHORS[:, axis], table[:, axis])[0, 1]) for axis in range(2)]
    reported = ("notes/s", "velocity", "pitch", "key down, s", "pedal lifts/s")
    return {
        "valence correlation": correlations[0],
        "arousal correlation": correlations[1],
        "heard": {name: value.tolist() for name, value in estimated.items()},
        "features": {name: {key: values[key][0] for key in reported} for name, values in summaries.items()},
    }


def adherence(chosen: list[Excerpt], library: Library, performances: list[Performance]) -> dict[str, float]:
    """Returns the correlations between requested and played values over excerpts, and the mean ratio of densities."""
    requested, played = [], []
    for excerpt, performance in zip(chosen, performances):
        plan = Plan.of(excerpt.song, excerpt.view, library.labeller)
        middle = slice(round(4 / LATENT_SECONDS), round(40 / LATENT_SECONDS))
        density = np.expm1(plan.requested("density")[middle] * 0.7 + 1.8)
        loudness, register = plan.requested("loudness")[middle] * 20 + 64, plan.requested("register")[middle] * 12 + 60
        length = plan.requested("length")[middle]
        requested.append([np.nanmean(values) for values in (density, loudness, register, length)])
        row = excerpt.measure(performance)
        played.append([row["notes/s"], row["velocity"], row["pitch"], row["key down, s"]])
    names = ("density", "loudness", "register", "length")
    a, b = np.array(requested), np.array(played)
    correlations = {name: float(np.corrcoef(a[:, i], b[:, i])[0, 1]) for i, name in enumerate(names)}
    return correlations | {"notes played per note requested": float((b[:, 0] / a[:, 0]).mean())}


def evaluate(checkpoint: Path, library_path: Path, out: Path, seed: int = 0, count: int | None = None) -> None:
    """Evaluates a checkpoint; writes `evaluation.json` after each part, then `evaluation.md` and a plot, to `out`.

    `count` is the maximum number of excerpts of each kind.
    """
    library, net = load(library_path), load_average(checkpoint)
    chosen = choose_excerpts(library, count=count)
    subset = chosen[:SWEEP_EXCERPTS]
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    report: dict[str, Any] = {
        "checkpoint": {name: saved[name] for name in ("step", "frames", "seconds", "processor_seconds")},
        "excerpts": len(chosen),
        "seed": seed,
        "sampling": asdict(Sampling()),
    }
    out.mkdir(parents=True, exist_ok=True)

    def store(name: str, value: Any) -> None:
        report[name] = value
        (out / "evaluation.json").write_text(json.dumps(report, indent=1))
        print(f"{name}: measured", flush=True)

    store("likelihood", nats_per_note_by_variant(net, library))
    columns: dict[str, Rows] = {
        "real": [e.measure(e.performance()) for e in chosen],
        "real, elsewhere": [e.measure(e.performance()) for e in choose_excerpts(library, OTHER_POSITION, count=count)],
    }

    def add(name: str, excerpts: list[Excerpt], sampling: Sampling, **options: Any) -> list[Performance]:
        performances = play(net, library, excerpts, sampling, seed, **options)
        columns[name] = [row for e, p in zip(excerpts, performances) if (row := e.measure(p))]
        store("columns", {name: summary(rows) for name, rows in columns.items()})
        return performances

    written = add("written", chosen, Sampling())
    add("touch free", chosen, Sampling(), change=leave_unspecified(*TOUCH))
    add("as trained", subset, Sampling(harmony=1, time=1, top_p=1, servo=0, sparseness=0))
    add("guided 1.3", subset, Sampling(guidance=1.3))
    add("no memory", subset, Sampling(), without_memory=True)
    for value in TEMPERATURES:
        add(f"T {value}", subset, Sampling.of(value), change=leave_unspecified(*TOUCH))
    real = columns["real"]
    whole = {name: rows for name, rows in columns.items() if len(rows) == len(chosen)}
    store("frechet", {name: frechet(real, rows, real) for name, rows in whole.items()})
    store("adherence", adherence(chosen, library, written))
    songs = [e.performance() for e in chosen]
    store("copied", {"written": copied(library, written), "held-out songs": copied(library, songs)})
    store("recall", recalls(net, library, min(count or RECALL_EXCERPTS, RECALL_EXCERPTS), seed))
    store("moods", moods(net, library, subset))
    write_report(report, out)


def recalls(net: Composer, library: Library, count: int, seed: int) -> dict[str, float]:
    """Returns the mean similarity of bars to the bars they recall, by requested similarity."""
    chosen = choose_excerpts(library, 0.1, RECALL_SECONDS, count)
    similarities = {}
    for strength in RECALLS:
        performances = play(net, library, chosen, Sampling(), seed, recall(strength))
        similarities["never" if strength is None else str(strength)] = _mean_similarity(chosen, performances)
    similarities["as in the song"] = _mean_similarity(chosen, play(net, library, chosen, Sampling(), seed))
    similarities["the song"] = _mean_similarity(chosen, [e.performance() for e in chosen])
    return similarities


def _mean_similarity(chosen: list[Excerpt], performances: list[Performance]) -> float:
    values = [recalled_alike(p, e.setting.grid, e.song.form) for e, p in zip(chosen, performances)]
    return float(np.nanmean(values))
