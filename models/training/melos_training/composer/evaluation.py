"""Measures what the composer writes under the plans of held-out songs, beside these songs."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .features import Setting, excerpt, features
from .layout import FRAME
from .library import Library, Song, load
from .network import Composer
from .playing import Plan, Player
from .sampling import Taste
from .stepping import Stepper
from .windows import View

SECONDS = 41.0
PLACE = 0.3
"""How far into a song its excerpt begins."""
FREE = ("length", "pedalling")
"""Conditions that a player does not give: they are left free in one of the columns."""
TEMPERATURES = (0.2, 0.6, 1.0, 1.4, 2.0)


def load_average(path: Path) -> Composer:
    """The averaged weights of a checkpoint, ready for use."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Composer()
    net.load_state_dict(saved["average"])
    return net.eval().requires_grad_(False)


def excerpts(library: Library, split: str, count: int) -> list[tuple[Song, View]]:
    """Stretches of songs that have chords, beats, bars and pedal, each of another song."""
    chosen = []
    for song in library.split(split):
        whole = song.end - song.start
        if len(song.chords) and len(song.performance.pedal_times) and whole > 1.2 * SECONDS + 8:
            start = song.start + PLACE * (whole - SECONDS)
            chosen.append((song, View(start=start, frames=int(SECONDS / FRAME), reach=4.0, fresh=True)))
    return chosen[:count]


def real(song: Song, view: View) -> dict[str, float]:
    """The features of the song itself."""
    part = excerpt(song.performance, view.start, view.start + SECONDS, view.start)
    return features(part, Setting.of(song, view))


def played(
    net: Composer,
    library: Library,
    chosen: list[tuple[Song, View]],
    taste: Taste,
    seed: int,
    free: Iterable[str] = (),
    no_memory: bool = False,
) -> list[dict[str, float]]:
    """The features of what the network writes under the plans of songs."""
    plans = [Plan.of(song, view, library.labeller) for song, view in chosen]
    for plan in plans:
        for group in free:
            plan.conditions.free(group)
    stepper = Stepper.of(net, len(plans) * (1 if taste.guidance == 1 else 2))
    player = Player(stepper, plans, taste, seed)
    player.forgetful = no_memory
    performances = player.play()
    return [features(p, Setting.of(song, view)) for p, (song, view) in zip(performances, chosen)]


def summary(rows: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each feature."""
    return {
        name: (float(np.nanmean(values)), float(np.nanstd(values)))
        for name in rows[0]
        if (values := np.array([row.get(name, np.nan) for row in rows])) is not None
    }


def evaluate(checkpoint: Path, library_path: Path, out: Path, count: int = 16, seed: int = 0) -> dict[str, Any]:
    """Writes `evaluation.json` into `out` and returns what it holds."""
    library, net = load(library_path), load_average(checkpoint)
    chosen = excerpts(library, "valid", count)
    taste = Taste()
    columns: dict[str, list[dict[str, float]]] = {"real": [row for song, view in chosen if (row := real(song, view))]}

    def add(name: str, taste: Taste, free: Iterable[str] = (), no_memory: bool = False) -> None:
        columns[name] = [row for row in played(net, library, chosen, taste, seed, free, no_memory) if row]
        print(f"{name}: {len(columns[name])} excerpts", flush=True)

    add("all told", taste)
    add("length and pedal free", taste, FREE)
    add("no servo", replace(taste, harmony=1.0, time=1.0, servo=0.0))
    add("guided 1.3", replace(taste, guidance=1.3))
    add("no memory", taste, (), True)
    for temperature in TEMPERATURES:
        add(f"temperature {temperature}", replace(taste, harmony=temperature, time=min(temperature, 1.0)), FREE)
    sums = {name: summary(rows) for name, rows in columns.items()}
    report = {"checkpoint": str(checkpoint), "excerpts": count, "seed": seed, "taste": asdict(taste), "columns": sums}
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=1))
    (out / "evaluation.md").write_text(table(sums))
    return report


def table(sums: dict[str, dict[str, tuple[float, float]]]) -> str:
    """A table in Markdown: means, the deviation of the first column, and how far the second is from it."""
    names = list(sums)
    lines = ["| | " + " | ".join(names) + f" | d, {names[1]} |", "|---" * (len(names) + 2) + "|"]
    for feature, (mean, deviation) in sums["real"].items():
        others = [sums[name].get(feature, (np.nan, np.nan)) for name in names[1:]]
        pooled = np.sqrt((deviation**2 + others[0][1] ** 2) / 2)
        distance = (others[0][0] - mean) / max(pooled, 1e-9)
        cells = [f"{mean:.3f} ± {deviation:.3f}", *(f"{value:.3f}" for value, _ in others), f"{distance:+.2f}"]
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
