"""How a window of a song is cut and transformed."""

from dataclasses import dataclass


@dataclass
class View:
    """Which part of a song to use, and how it is transformed."""

    start: float
    """Start of the window in seconds of the song's stretched time."""
    frames: int
    ratio: float = 1.0
    """Time-stretching factor."""
    shift: int = 0
    """Transposition in semitones."""
    reach: float = 2.0
    """Half the window, in seconds, over which density, loudness, register and length are measured."""
    fresh: bool = False
    """Whether everything before the window is hidden."""
    written_chords: bool = True
    """Whether to use the corpus's chord labels instead of the sounding notes."""
    doubled: bool = False
    """Whether the beat is counted twice as fast."""
