"""Tables and plots of an evaluation, and the learning curve of a run."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PARTS = ("offset", "key", "velocity", "duration", "voice", "pedal")


def table(columns: dict[str, dict[str, tuple[float, float]]], against: str) -> str:
    """Returns a Markdown table: the means of all columns, the standard deviation of the column `real`, and the
    difference of the column `against` from `real` in pooled standard deviations."""
    names = list(columns)
    lines = ["| | " + " | ".join(names) + f" | d, {against} |", "|---" * (len(names) + 2) + "|"]
    for feature, (mean, deviation) in columns["real"].items():
        others = [f"{columns[name].get(feature, (np.nan,))[0]:.3f}" for name in names[1:]]
        value, spread = columns[against].get(feature, (np.nan, np.nan))
        distance = (value - mean) / max(float(np.sqrt((deviation**2 + spread**2) / 2)), 1e-9)
        lines.append(f"| {feature} | {mean:.3f} ± {deviation:.3f} | " + " | ".join(others) + f" | {distance:+.2f} |")
    return "\n".join(lines) + "\n"


def _row_table(title: str, values: dict[str, float]) -> str:
    head = "| " + " | ".join(["", *values]) + " |\n" + "|---" * (len(values) + 1) + "|\n"
    return head + f"| {title} | " + " | ".join(f"{value:.3f}" for value in values.values()) + " |\n"


def write_report(report: dict[str, Any], out: Path) -> None:
    """Writes `evaluation.md` and its plot."""
    likelihood = report["likelihood"]
    names = ("total", *PARTS, "velocity16", "key_top1")
    lines = ["| nats per note | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, values in likelihood.items():
        lines.append(f"| {name} | " + " | ".join(f"{values[part]:.3f}" for part in names) + " |")
    mood = report["moods"]
    first = next(iter(mood["features"].values()))
    mood_lines = ["| requested | valence | arousal | " + " | ".join(first) + " |", "|---" * (len(first) + 3) + "|"]
    for name, (valence, arousal) in mood["heard"].items():
        values = " | ".join(f"{value:.2f}" for value in mood["features"][name].values())
        mood_lines.append(f"| {name} | {valence:+.2f} | {arousal:+.2f} | {values} |")
    trained = report["checkpoint"]
    parts = [
        f"# {trained['step']} steps, {trained['frames'] / 1e6:.2f} M latents, "
        f"{trained['processor_seconds'] / 60:.0f} processor minutes\n",
        "## Held-out likelihood\n\n" + "\n".join(lines) + "\n",
        f"## Notes, {report['excerpts']} excerpts, seed {report['seed']}\n\n" + table(report["columns"], "written"),
        "## Fréchet distance from the real excerpts\n\n" + _row_table("distance", report["frechet"]),
        "## Similarity of recalled bars\n\n" + _row_table("recall", report["recall"]),
        "## Adherence to the conditions\n\n" + _row_table("correlation", report["adherence"]),
        f"## Moods: valence r = {mood['valence correlation']:.2f}, arousal r = {mood['arousal correlation']:.2f}\n\n"
        + "\n".join(mood_lines)
        + "\n",
        "## Passages of the top line that also occur in a training song\n\n"
        + "\n".join(_row_table(name, shares) for name, shares in report["copied"].items()),
    ]
    (out / "evaluation.md").write_text("\n".join(parts))
    plot_temperature(report["columns"], out / "temperature.png")


def plot_temperature(columns: dict[str, dict[str, tuple[float, float]]], path: Path) -> None:
    """Plots features against the temperature."""
    sweep = {float(name[2:]): values for name, values in columns.items() if name.startswith("T ")}
    features = ("note entropy", "in chord", "bars alike 4", "groups/s", "velocity", "half-beat strength")
    figure, axes = plt.subplots(2, 3, figsize=(9, 5))
    for axis, feature in zip(axes.flat, features):
        axis.plot(list(sweep), [values[feature][0] for values in sweep.values()], "o-")
        axis.axhline(columns["real"][feature][0], color="grey", linestyle=":")
        axis.set(title=feature, xlabel="temperature")
    _save(figure, path)


def plot_curve(metrics: Path, path: Path) -> None:
    """Plots nats per note against hours of training music, from the metrics of a run."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    hours = [line["hours"] for line in lines]
    figure, (whole, parts) = plt.subplots(1, 2, figsize=(11, 4))
    for corpus in lines[-1]["held_out"]:
        whole.plot(hours, [line["held_out"][corpus]["total"] for line in lines], label=corpus)
    trained = [sum(line["train"][part] for part in PARTS if part != "pedal") for line in lines]
    whole.plot(hours, trained, color="grey", linewidth=0.7, label="training, conditions dropped")
    for part in PARTS:
        parts.plot(hours, [line["held_out"]["pop909"][part] for line in lines], label=part)
    for axis, title in ((whole, "held out, total"), (parts, "held out, POP909, by part")):
        axis.set(title=title, xlabel="hours of music", ylabel="nats per note")
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=80)
    plt.close(figure)
