"""How a window of a song is cut and transformed."""

from dataclasses import dataclass


@dataclass
class View:
    """Which part of a song to use, and how it is transformed."""

    start: float
    """Seconds at which the window begins, in the song's warped time."""
    frames: int
    ratio: float = 1.0
    """By how much time is stretched."""
    shift: int = 0
    """Semitones up."""
    reach: float = 2.0
    """Seconds either side whose onsets make density, loudness, register and length."""
    fresh: bool = False
    """Whether nothing before the window is known."""
    written_chords: bool = True
    """Whether the chords are those of the corpus, or what sounds."""
    doubled: bool = False
    """Whether the beat is counted twice as fast."""
