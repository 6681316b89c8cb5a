"""Reads the corpora: their pieces, and the split of each piece."""

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import midi
from .layout import FloatArray
from .midi import Performance

CHORD_QUALITIES = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "sus4(b7)": (0, 5, 7, 10),
}
NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
DEGREES = (0, 2, 4, 5, 7, 9, 11)
SAME_SONG = {"018": "017"}
"""Maps a song to another arrangement of it, whose split it shares."""
YOUTUBE_ID = re.compile(r"[_ ]([\w-]{11})(?:_cut|_midi|_a|_b|_(?:mov|no|part)_?\d+)*$")
"""Matches the YouTube id of the recording in a file's name; parts of a recording share it."""


@dataclass
class Piece:
    """A piece as read from its corpus."""

    corpus: str
    name: str
    split: str
    """train, valid or test."""
    performance: Performance
    beats: FloatArray
    """[n, 3]: seconds, position in the bar (−1 if unknown), beats per bar; n may be 0."""
    chords: FloatArray
    """[n, 4]: start and end in seconds, pitch classes as bits, bass (−1 if there is no chord); n may be 0."""


def split_of(corpus: str, group: str) -> str:
    """Returns the split of a group of pieces that must stay together, as `melos-corpus prepare` chooses it."""
    first = hashlib.sha256(f"{corpus}\0{group}\0".encode()).digest()[0]
    return "train" if first < 230 else "valid" if first < 243 else "test"


def identifier(text: str) -> str:
    """Replaces runs of characters other than ASCII letters and digits with `_`, and removes such runs at both ends."""
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")


def parse_chord(label: str) -> tuple[int, int]:
    """Parses a label such as `Bb:min7/b3` into pitch classes as bits, and the bass; (0, −1) for `N`."""
    if label == "N":
        return 0, -1
    body, _, bass = label.partition("/")
    root_name, _, quality = body.partition(":")
    root = NATURALS[root_name[0]] + root_name.count("#") - root_name.count("b")
    lowest = root
    if bass:
        lowest += DEGREES[int(bass.lstrip("b#")) - 1] + bass.count("#") - bass.count("b")
    return sum(1 << (root + interval) % 12 for interval in CHORD_QUALITIES[quality]), lowest % 12


def pop909_beats(path: Path) -> FloatArray:
    """Reads the beats of `beat_midi.txt`; in triple time, the half-bars that the file marks are the actual bars."""
    rows = np.loadtxt(path, ndmin=2)
    downbeats = np.flatnonzero(rows[:, 2] > 0.5)
    gaps = np.diff(downbeats)
    triple = len(gaps) > 0 and (gaps == 6).sum() * 2 > len(downbeats)
    marks = np.flatnonzero(rows[:, 1 if triple else 2] > 0.5)
    length = 3 if triple else 4
    position = np.zeros(len(rows))
    for index in range(len(rows)):
        before = marks[marks <= index]
        position[index] = (index - (before[-1] if len(before) else marks[0] if len(marks) else 0)) % length
    return np.stack([rows[:, 0], position, np.full(len(rows), float(length))], 1)


def pop909(root: Path) -> Iterator[Piece]:
    """Reads `POP909/<id>/<id>.mid`, and the beats and chords beside it."""
    for folder in sorted(path for path in (root / "POP909").iterdir() if path.is_dir()):
        score = midi.read(folder / f"{folder.name}.mid")
        rows = [line.split("\t") for line in (folder / "chord_midi.txt").read_text().splitlines() if line.strip()]
        chords = np.array([(float(start), float(end), *parse_chord(label.strip())) for start, end, label in rows])
        group = SAME_SONG.get(folder.name, folder.name)
        beats = pop909_beats(folder / "beat_midi.txt")
        yield Piece("pop909", folder.name, split_of("pop909", group), score.performance, beats, chords.reshape(-1, 4))


def giantmidi(root: Path) -> Iterator[Piece]:
    """Reads transcribed recordings; parts of the same recording share a split."""
    for path in sorted(root.rglob("*.mid")):
        match = YOUTUBE_ID.search(path.stem)
        group = match.group(1) if match else path.stem
        performance = midi.read(path).performance
        no_labels = np.zeros((0, 3)), np.zeros((0, 4))
        yield Piece("giantmidi", identifier(path.stem), split_of("giantmidi", group), performance, *no_labels)


def mutopia(root: Path) -> Iterator[Piece]:
    """Reads scores in the public domain or under CC BY, except those that LilyPond rendered with errors."""
    with (root / "licences.tsv").open(newline="") as table:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(table, delimiter="\t")}
    for path in sorted((root / "midi").glob("*.mid*")):
        row = rows.get(path.name)
        if row is None or row["licence"] not in ("PD", "BY") or row["lilypond_errors"].strip() not in ("", "0"):
            continue
        score = midi.read(path)
        name = identifier(path.stem)
        yield Piece("mutopia", name, split_of("mutopia", name), score.performance, midi.beats(score), np.zeros((0, 4)))


READERS = {"pop909": pop909, "giantmidi": giantmidi, "mutopia": mutopia}
