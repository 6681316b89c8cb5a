"""Writes training metrics as JSON lines to a file beside the checkpoint, and plots them."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

Record = dict[str, Any]
"""A line of metrics: `step`, `seconds` of training, learning `rate`, means over the steps since the last line
(`train`), and results on held-out shards (`valid`)."""


def path_of(checkpoint: Path) -> Path:
    """Returns the path of a checkpoint's metrics."""
    return checkpoint.with_suffix(".jsonl")


def read(path: Path) -> list[Record]:
    """Reads all lines, ignoring a truncated last line. Raises `ValueError` if another line is not JSON."""
    records: list[Record] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(f"{path}:{number}: invalid JSON: {error}") from error
    return records


class Metrics:
    """The metrics file of a checkpoint. Opening it at `step` removes lines for later steps; `write` appends new ones.

    At step 0, when a new run begins, existing metrics are renamed to `.jsonl.old`.
    """

    def __init__(self, checkpoint: Path, step: int) -> None:
        self.path = path_of(checkpoint)
        if self.path.exists() and step == 0:
            self.path.replace(self.path.with_suffix(".jsonl.old"))
        kept = [record for record in read(self.path) if record["step"] <= step] if self.path.exists() else []
        temporary = self.path.with_suffix(".jsonl.tmp")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        temporary.replace(self.path)

    def write(self, record: Record) -> None:
        """Appends a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record | {part: _finite(record[part]) for part in ("train", "valid")}) + "\n")


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    """Replaces non-finite numbers, which JSON cannot represent, with `None`."""
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def plot(files: Sequence[Path], out: Path) -> None:
    """Plots every metric against the steps, one colour per file: solid for training, dashed for held-out shards."""
    runs = {path.stem: read(path) for path in files}
    names = list(dict.fromkeys(n for run in runs.values() for r in run for part in ("train", "valid") for n in r[part]))
    if not names:
        raise ValueError(f"{', '.join(map(str, files))}: no metrics yet")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5 * columns, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names):
        for index, (run, records) in enumerate(runs.items()):
            for part, style in (("train", "-"), ("valid", "--")):
                points = [
                    (record["step"], record[part][name]) for record in records if record[part].get(name) is not None
                ]
                if points:
                    axis.plot(*zip(*points), style, color=f"C{index}", label=f"{run}, {part}")
        axis.set(title=name, xlabel="step")
        axis.legend(fontsize=7)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
