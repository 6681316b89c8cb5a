"""The beats of a song in a window."""

from typing import TYPE_CHECKING

import numpy as np

from .form import PHRASE, Form
from .layout import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from .library import Song
    from .view import View

TEMPO_HALF_WINDOW = 4
"""Number of beats on either side over which the tempo is averaged."""


class BeatGrid:
    """Converts seconds from a window's start to beat numbers and back; extrapolates beyond both ends."""

    def __init__(self, times: FloatArray, in_bar: FloatArray, bar_length: float, form: Form, per_beat: int) -> None:
        self.times = times
        self.in_bar = in_bar
        """Position of each beat in its bar; −1 if unknown."""
        self.bar_length = bar_length
        """Beats per bar."""
        self.form = form
        self.per_beat = per_beat
        """Beats of the grid per beat of the song: 1, or 2 in double time.

        Positions in the form are in beats of the song.
        """

    @classmethod
    def of(cls, song: "Song", view: "View") -> "BeatGrid":
        """Returns the beats of a song under a view."""
        times = song.beats[:, 0] * view.ratio - view.start
        position, bar_length = song.beats[:, 1], float(song.beats[0, 2])
        if view.double_time:
            numbers = np.arange(2 * len(times) - 1) / 2
            times = np.interp(numbers, np.arange(len(times)), times)
            whole = position[np.floor(numbers).astype(np.int64)]
            position = np.where(whole < 0, -1, (2 * (whole + numbers % 1)) % bar_length)
        return cls(times, position, bar_length, song.form, 2 if view.double_time else 1)

    @property
    def bars_known(self) -> bool:
        """Whether the bar lines are known."""
        return bool(self.in_bar[0] >= 0)

    def beats(self, seconds: FloatArray) -> FloatArray:
        """Converts times to beat numbers."""
        times = self.times
        numbers = np.interp(seconds, times, np.arange(len(times)))
        numbers = np.where(seconds < times[0], (seconds - times[0]) / (times[1] - times[0]), numbers)
        return np.where(seconds > times[-1], len(times) - 1 + (seconds - times[-1]) / (times[-1] - times[-2]), numbers)

    def seconds(self, beats: FloatArray) -> FloatArray:
        """Converts beat numbers to times."""
        times = self.times
        last = len(times) - 1
        seconds = np.interp(beats, np.arange(len(times)), times)
        seconds = np.where(beats < 0, times[0] + beats * (times[1] - times[0]), seconds)
        return np.where(beats > last, times[-1] + (beats - last) * (times[-1] - times[-2]), seconds)

    def bpm(self, beats: FloatArray) -> FloatArray:
        """Returns the mean tempo around beat numbers, in BPM."""
        last = len(self.times) - 1
        low = np.clip(np.floor(beats) - TEMPO_HALF_WINDOW, 0, last)
        high = np.clip(np.floor(beats) + TEMPO_HALF_WINDOW, 0, last)
        low, high = np.minimum(low, last - 1), np.maximum(high, 1)
        span = self.seconds(high) - self.seconds(low)
        return 60 * np.maximum(high - low, 1) / np.maximum(span, 1e-3)

    def bar_phase(self, beats: FloatArray) -> FloatArray:
        """Returns the position in the bar, 0..1."""
        whole = np.floor(beats).astype(np.int64)
        index = np.clip(whole, 0, len(self.in_bar) - 1)
        return ((self.in_bar[index] + whole - index + beats - whole) / self.bar_length) % 1

    def bar(self, beats: FloatArray) -> IntArray:
        """Returns the index of the bar in the song's form; −1 before the first bar."""
        return np.searchsorted(self.form.start * self.per_beat, beats + 1e-6, "right") - 1

    def phrase_phase(self, beats: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Returns the position in the eight-bar phrase, 0..1, and whether it is known."""
        if not len(self.form.start):
            return np.zeros(len(beats)), np.zeros(len(beats), np.bool_)
        bar = np.maximum(self.bar(beats), 0)
        in_bar = (beats - self.form.start[bar] * self.per_beat) / (self.bar_length * self.per_beat)
        position = (self.form.phrase[bar] + np.clip(in_bar, 0, 1)) / PHRASE
        return position, (self.form.phrase[bar] >= 0) & (self.bar(beats) >= 0)

    def likeness(self, beats: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Returns the similarity of each bar to the bar it recalls, 0..1, and whether it recalls one."""
        if not len(self.form.start):
            return np.zeros(len(beats)), np.zeros(len(beats), np.bool_)
        bar = self.bar(beats)
        index = np.maximum(bar, 0)
        return self.form.likeness[index].astype(np.float64), (bar >= 0) & (self.form.source[index] >= 0)
