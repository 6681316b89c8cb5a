"""Which window of a song to extract, and how to transform the song."""

from dataclasses import dataclass


@dataclass
class View:
    """A window of a song, and how the song is transformed."""

    start: float
    """Start of the window in seconds of the stretched song."""
    latents: int
    """Length of the window in latents."""
    ratio: float = 1.0
    """Time-stretching factor."""
    shift: int = 0
    """Transposition in semitones."""
    half_window: float = 2.0
    """Seconds on either side of each latent's centre over which density, loudness, register and length are measured."""
    no_history: bool = False
    """Whether the notes before the window are hidden."""
    labelled_chords: bool = True
    """Whether to take chords from the corpus's labels instead of the sounding notes."""
    double_time: bool = False
    """Whether beats are counted in double time."""
    steady: bool = False
    """Whether mood, density, loudness, register, length and pedalling are replaced with their means over the window."""
    sparse_bass: bool = False
    """Whether the bass is specified only where the chord changes, and not for the next chord."""
