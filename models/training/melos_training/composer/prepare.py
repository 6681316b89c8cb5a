"""Builds the library from the corpora."""

from pathlib import Path

import numpy as np

from . import form, mood
from .corpora import READERS, Piece
from .library import Library, Song, save
from .mood import Labeller

MIN_NOTES = 100
MAX_FLAT_VELOCITIES = 4
"""A piece with at most this many different velocities counts as having no dynamics."""
VELOCITY_MEAN, VELOCITY_DEVIATION = 64.0, 14.0
"""Mean and standard deviation to which the velocities of each corpus are normalised."""


def analyse(piece: Piece, mean: float, deviation: float) -> Song:
    """Normalises a song's velocities, given their mean and deviation in its corpus, and computes its features."""
    performance = piece.performance
    flat = len(np.unique(performance.velocity)) <= MAX_FLAT_VELOCITIES
    scaled = VELOCITY_MEAN + VELOCITY_DEVIATION * (performance.velocity - mean) / deviation
    performance.velocity = np.clip(scaled, 1, 127)
    features, lows = mood.measure(performance, flat)
    inferred_form = form.infer(performance, piece.beats)
    return Song(
        piece.corpus,
        piece.name,
        piece.split,
        flat,
        performance,
        performance.damped(),
        piece.beats,
        piece.chords,
        inferred_form,
        features,
        lows,
    )


def prepare(roots: dict[str, Path], out: Path) -> Library:
    """Reads the corpora in `roots` and writes the library to `out`. Raises `ValueError` if one has no usable piece."""
    songs: list[Song] = []
    for corpus, root in roots.items():
        pieces = [piece for piece in READERS[corpus](root) if len(piece.performance.onset) >= MIN_NOTES]
        if not pieces:
            raise ValueError(f"{root}: no pieces of {corpus} with at least {MIN_NOTES} notes")
        velocities = np.concatenate([piece.performance.velocity for piece in pieces])
        songs += [analyse(piece, float(velocities.mean()), float(velocities.std())) for piece in pieces]
        seconds = sum(song.end - song.start for song in songs if song.corpus == corpus)
        print(f"{corpus}: {len(pieces)} pieces, {seconds / 3600:.1f} h, {len(velocities)} notes", flush=True)
    training = np.concatenate([song.features for song in songs if song.split == "train"])
    library = Library(songs, Labeller.fit(training[~np.isnan(training[:, mood.INDEX["density"]])]))
    save(library, out)
    return library
