"""Makes one file of all pieces: what training draws its windows from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import form, mood
from .corpora import READERS, Piece
from .form import Form
from .layout import FloatArray, TimeArray
from .midi import Performance
from .mood import Labeller

FEWEST_NOTES = 100
FLAT = 4
"""A piece with no more different velocities has no dynamics."""
VELOCITY_MEAN, VELOCITY_DEVIATION = 64.0, 14.0


@dataclass
class Song:
    """A piece with all that is derived from it."""

    corpus: str
    name: str
    split: str
    flat: bool
    """Whether its velocities say nothing."""
    performance: Performance
    damped: TimeArray
    beats: TimeArray
    chords: TimeArray
    form: Form
    features: FloatArray
    lows: FloatArray

    @property
    def start(self) -> float:
        """Seconds of the first onset."""
        return float(self.performance.onset[0])

    @property
    def end(self) -> float:
        """Seconds of the last onset."""
        return float(self.performance.onset[-1])


@dataclass
class Library:
    """All songs and the labeller made from those that are trained on."""

    songs: list[Song]
    labeller: Labeller

    def split(self, name: str) -> list[Song]:
        """The songs of a split."""
        return [song for song in self.songs if song.split == name]


def analyse(piece: Piece, mean: float, deviation: float) -> Song:
    """Derives what training needs; velocities are brought from their corpus's mean and deviation to the common ones."""
    performance = piece.performance
    flat = len(np.unique(performance.velocity)) <= FLAT
    scaled = VELOCITY_MEAN + VELOCITY_DEVIATION * (performance.velocity - mean) / deviation
    performance.velocity = np.clip(scaled, 1, 127)
    features, lows = mood.measure(performance, flat)
    shape = form.read(performance, piece.beats)
    return Song(
        piece.corpus, piece.name, piece.split, flat, performance, performance.damped(), piece.beats, piece.chords, shape,
        features, lows,
    )


def prepare(roots: dict[str, Path], out: Path) -> Library:
    """Reads the corpora under their roots and writes the library to `out`."""
    songs: list[Song] = []
    for corpus, root in roots.items():
        pieces = [piece for piece in READERS[corpus](root) if len(piece.performance.onset) >= FEWEST_NOTES]
        if not pieces:
            raise ValueError(f"{root}: holds no pieces of {corpus}")
        velocities = np.concatenate([piece.performance.velocity for piece in pieces])
        songs += [analyse(piece, float(velocities.mean()), float(velocities.std())) for piece in pieces]
        seconds = sum(song.end - song.start for song in songs if song.corpus == corpus)
        print(f"{corpus}: {len(pieces)} pieces, {seconds / 3600:.1f} h, {len(velocities)} notes", flush=True)
    trained = np.concatenate([song.features for song in songs if song.split == "train"])
    library = Library(songs, Labeller.fit(trained[~np.isnan(trained[:, mood.INDEX["density"]])]))
    save(library, out)
    return library


def _arrays(song: Song) -> dict[str, NDArray[Any]]:
    of_performance = {f"performance.{name}": value for name, value in asdict(song.performance).items()}
    of_form = {f"form.{name}": value for name, value in asdict(song.form).items()}
    rest = {name: getattr(song, name) for name in ("damped", "beats", "chords", "features", "lows")}
    return {**of_performance, **of_form, **rest}


def save(library: Library, out: Path) -> None:
    """Writes a library as one `.npz`: the arrays of all songs end to end, with their lengths."""
    out.parent.mkdir(parents=True, exist_ok=True)
    table = [_arrays(song) for song in library.songs]
    stored: dict[str, NDArray[Any]] = {}
    for name in table[0]:
        stored[name] = np.concatenate([row[name] for row in table])
        stored[f"{name}:lengths"] = np.array([len(row[name]) for row in table])
    for name, value in asdict(library.labeller).items():
        stored[f"labeller.{name}"] = value
    index = [{"corpus": s.corpus, "name": s.name, "split": s.split, "flat": s.flat} for s in library.songs]
    temporary = out.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, index=np.array(json.dumps(index)), **stored)
    temporary.replace(out)


def load(path: Path) -> Library:
    """Reads what `save` wrote."""
    with np.load(path) as stored:
        index = json.loads(str(stored["index"]))
        parts: dict[str, list[NDArray[Any]]] = {}
        for name in stored.files:
            if f"{name}:lengths" in stored.files:
                parts[name] = np.split(stored[name], np.cumsum(stored[f"{name}:lengths"])[:-1])
        labeller = Labeller(**{name: stored[f"labeller.{name}"] for name in ("means", "deviations", "valences", "arousals")})
    songs = []
    for number, entry in enumerate(index):
        row = {name: values[number] for name, values in parts.items()}
        groups: dict[str, dict[str, NDArray[Any]]] = {"performance": {}, "form": {}}
        for name in [name for name in row if "." in name]:
            group, field = name.split(".")
            groups[group][field] = row.pop(name)
        songs.append(Song(performance=Performance(**groups["performance"]), form=Form(**groups["form"]), **entry, **row))
    return Library(songs, labeller)
