"""Pictures for the document."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from ..constants import EMOTIONS  # noqa: E402


def save(figure, folder, name):
    """Writes `name`.png and gives the Markdown that shows it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    figure.set_layout_engine("constrained")
    figure.savefig(Path(folder) / f"{name}.png", dpi=70, bbox_inches="tight")
    plt.close(figure)
    return f"![{name}]({Path(folder).name}/{name}.png)"


def confusions(tables, folder):
    """Requested (rows) against heard (columns), one picture a table."""
    figure, axes = plt.subplots(1, len(tables), figsize=(5 * len(tables), 4.5), squeeze=False)
    for axis, (title, table) in zip(axes[0], tables.items()):
        axis.imshow(table, cmap="Blues", vmin=0, vmax=1)
        axis.set(title=title, xlabel="heard", ylabel="requested", xticks=range(8), yticks=range(8))
        axis.set_xticklabels(EMOTIONS, rotation=60)
        axis.set_yticklabels(EMOTIONS)
        for i, row in enumerate(table):
            for j, value in enumerate(row):
                if value >= 0.05:
                    axis.text(j, i, f"{value:.2f}"[1:] if value < 1 else "1", ha="center", va="center", fontsize=8)
    return save(figure, folder, "confusion")


def temperature(points, folder):
    """`points`: temperature to an estimate of diversity."""
    figure, axis = plt.subplots(figsize=(5, 3))
    values = list(points.values())
    errors = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
    axis.errorbar(list(points), [v.value for v in values], errors, marker="o", capsize=3)
    axis.set(xlabel="temperature", ylabel="distance between seeds", ylim=(0, None))
    return save(figure, folder, "temperature")


def endurance(series, folder):
    """`series`: emotion to its minutes."""
    fields = {"level_db": "level, dB", "onset_density": "attacks a second", "chroma_entropy": "chroma entropy, bits", "novelty": "novelty"}
    figure, axes = plt.subplots(1, 4, figsize=(16, 3))
    for axis, (field, label) in zip(axes, fields.items()):
        for emotion, minutes in series.items():
            axis.plot(range(1, len(minutes) + 1), [getattr(m, field) for m in minutes], label=emotion)
        axis.set(xlabel="minute", ylabel=label)
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return save(figure, folder, "endurance")


def rise(curves, folder):
    """`curves`: change to (seconds after it, judged arousal)."""
    figure, axis = plt.subplots(figsize=(5, 3))
    for name, (seconds, values) in curves.items():
        axis.plot(seconds, values, label=name)
    axis.axvline(0, color="grey", linewidth=0.5)
    axis.set(xlabel="seconds after the change", ylabel="way to the new emotion")
    axis.legend(fontsize=7)
    return save(figure, folder, "rise")
