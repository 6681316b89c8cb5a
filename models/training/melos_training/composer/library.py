"""The library: all songs and the features derived from them, in one file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .form import Form
from .layout import FloatArray
from .midi import Performance
from .mood import Labeller


@dataclass
class Song:
    """A piece and the features derived from it."""

    corpus: str
    name: str
    split: str
    flat: bool
    """Whether the piece has no dynamics."""
    performance: Performance
    damped: FloatArray
    """When each note is damped, in seconds."""
    beats: FloatArray
    chords: FloatArray
    form: Form
    features: FloatArray
    """Features for labelling emotions, around every second: [seconds, 15]."""
    lows: FloatArray
    """Share of low notes around every second, for each transposition: [seconds, 11]."""

    @property
    def start(self) -> float:
        """Time of the first onset in seconds."""
        return float(self.performance.onset[0])

    @property
    def end(self) -> float:
        """Time of the last onset in seconds."""
        return float(self.performance.onset[-1])


@dataclass
class Library:
    """All songs, and the labeller fitted to the training songs."""

    songs: list[Song]
    labeller: Labeller

    def split(self, name: str) -> list[Song]:
        """Returns the songs of a split."""
        return [song for song in self.songs if song.split == name]


def _arrays(song: Song) -> dict[str, NDArray[Any]]:
    of_performance = {f"performance.{name}": value for name, value in asdict(song.performance).items()}
    of_form = {f"form.{name}": value for name, value in asdict(song.form).items()}
    rest = {name: getattr(song, name) for name in ("damped", "beats", "chords", "features", "lows")}
    return {**of_performance, **of_form, **rest}


def save(library: Library, out: Path) -> None:
    """Writes a library as one `.npz` file that contains the concatenated arrays of all songs and their lengths."""
    out.parent.mkdir(parents=True, exist_ok=True)
    table = [_arrays(song) for song in library.songs]
    stored: dict[str, NDArray[Any]] = {}
    for name in table[0]:
        stored[name] = np.concatenate([row[name] for row in table])
        stored[f"{name}:lengths"] = np.array([len(row[name]) for row in table])
    for name, value in asdict(library.labeller).items():
        stored[f"labeller.{name}"] = value
    index = [{"corpus": s.corpus, "name": s.name, "split": s.split, "flat": s.flat} for s in library.songs]
    stored["index"] = np.array(json.dumps(index))
    temporary = out.with_suffix(".tmp.npz")
    # For mypy, `**stored` could contain numpy's option `allow_pickle`, which is not an array.
    write: Any = np.savez_compressed
    write(temporary, **stored)
    temporary.replace(out)


def load(path: Path) -> Library:
    """Reads a library written by `save`."""
    with np.load(path) as stored:
        index = json.loads(str(stored["index"]))
        parts: dict[str, list[NDArray[Any]]] = {}
        for name in stored.files:
            if f"{name}:lengths" in stored.files:
                parts[name] = np.split(stored[name], np.cumsum(stored[f"{name}:lengths"])[:-1])
        labeller = Labeller(
            **{name: stored[f"labeller.{name}"] for name in ("means", "deviations", "valences", "arousals")}
        )
    songs = []
    for position, entry in enumerate(index):
        row: dict[str, Any] = {name: values[position] for name, values in parts.items()}
        groups: dict[str, dict[str, NDArray[Any]]] = {"performance": {}, "form": {}}
        for name in [name for name in row if "." in name]:
            group, field = name.split(".")
            groups[group][field] = row.pop(name)
        songs.append(
            Song(performance=Performance(**groups["performance"]), form=Form(**groups["form"]), **entry, **row)
        )
    return Library(songs, labeller)
