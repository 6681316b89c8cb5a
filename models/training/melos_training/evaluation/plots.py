"""Draws the plots of EVALUATION.md. Each function writes an image and returns the Markdown that shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..arrays import Floats
from ..constants import EMOTIONS
from .endurance import Minute


def save(figure: Figure, folder: Path, name: str) -> str:
    """Writes `name`.png and returns the Markdown that shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.set_layout_engine("constrained")
    figure.savefig(folder / f"{name}.png", dpi=70, bbox_inches="tight")
    return f"![{name}]({folder.name}/{name}.png)"


def confusions(tables: Mapping[str, Floats], folder: Path) -> str:
    """Plots confusion matrices side by side: requested emotions in rows, estimated ones in columns."""
    figure = Figure(figsize=(5 * len(tables), 4.5))
    axes = figure.subplots(1, len(tables), squeeze=False)
    for axis, (title, table) in zip(axes[0], tables.items()):
        axis.imshow(table, cmap="Blues", vmin=0, vmax=1)
        axis.set(title=title, xlabel="estimated", ylabel="requested", xticks=range(8), yticks=range(8))
        axis.set_xticklabels(EMOTIONS, rotation=60)
        axis.set_yticklabels(EMOTIONS)
        for i, row in enumerate(table):
            for j, value in enumerate(row):
                if value >= 0.05:
                    axis.text(j, i, f"{value:.2f}"[1:] if value < 1 else "1", ha="center", va="center", fontsize=8)
    return save(figure, folder, "confusion")


def temperature(points: Mapping[float, Mapping[str, float]], folder: Path) -> str:
    """Plots features against the temperature; `points` maps a temperature to the mean of each feature."""
    names = list(next(iter(points.values())))
    figure = Figure(figsize=(14, 5))
    for axis, name in zip(figure.subplots(2, (len(names) + 1) // 2).flat, names):
        axis.plot(list(points), [values[name] for values in points.values()], marker="o")
        axis.set(xlabel="temperature", title=name)
    return save(figure, folder, "temperature")


def endurance(series: Mapping[str, Sequence[Minute]], folder: Path) -> str:
    """Plots features over time; `series` maps an emotion to its minutes."""
    fields = {
        "level_db": "level, dB",
        "onset_density": "onsets per second",
        "chroma_entropy": "chroma entropy, bits",
        "novelty": "novelty",
    }
    figure = Figure(figsize=(16, 3))
    axes = figure.subplots(1, 4)
    for axis, (field, label) in zip(axes, fields.items()):
        for emotion, minutes in series.items():
            axis.plot(range(1, len(minutes) + 1), [getattr(m, field) for m in minutes], label=emotion)
        axis.set(xlabel="minute", ylabel=label)
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return save(figure, folder, "endurance")


def rise(curves: Mapping[str, tuple[Floats, Floats]], folder: Path) -> str:
    """Plots changes of emotion; `curves` maps a change to (seconds after the change, fraction of the change)."""
    figure = Figure(figsize=(5, 3))
    axis = figure.subplots()
    for name, (seconds, values) in curves.items():
        axis.plot(seconds, values, label=name)
    axis.axvline(0, color="grey", linewidth=0.5)
    axis.set(xlabel="seconds after the change", ylabel="fraction of the change")
    axis.legend(fontsize=7)
    return save(figure, folder, "rise")
