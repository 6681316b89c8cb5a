"""Writes a small corpus in the layout of POP909: pedalled songs with a melody over broken chords.

The second half of each song repeats the first.
"""

from pathlib import Path

import mido

TICKS = 480
BPM = 120
BARS = 32
MELODY = (72, 74, 76, 74, 72, 71, 69, 71)
ROOTS = (48, 45, 41, 43)
CHORDS = ("C:maj", "A:min", "F:maj", "G:maj")


def write(root: Path, songs: int = 1) -> Path:
    """Writes the corpus under `root`, and returns `root`; song n is transposed up by n − 1 semitones."""
    for number in range(1, songs + 1):
        folder = root / "POP909" / f"{number:03}"
        folder.mkdir(parents=True)
        _midi(number - 1).save(folder / f"{number:03}.mid")
        beat = 60 / BPM
        rows = [f"{i * beat} {float(i % 2 == 0)} {float(i % 4 == 0)}" for i in range(4 * BARS)]
        (folder / "beat_midi.txt").write_text("\n".join(rows) + "\n")
        chords = [f"{bar * 4 * beat}\t{(bar + 1) * 4 * beat}\t{CHORDS[bar % 4]}" for bar in range(BARS)]
        (folder / "chord_midi.txt").write_text("\n".join(chords) + "\n")
    return root


def _midi(shift: int) -> mido.MidiFile:
    melody: list[tuple[int, mido.Message]] = []
    accompaniment: list[tuple[int, mido.Message]] = []
    for bar in range(BARS):
        start = bar * 4 * TICKS
        # In the second half of every 16 bars, the melody is a fourth higher, so that the halves differ.
        for half in range(2):
            pitch = MELODY[(2 * bar + half) % len(MELODY)] + shift + (5 if bar % 16 >= 8 else 0)
            _note(melody, 0, pitch, start + half * 2 * TICKS, 2 * TICKS - 20, 100)
        for eighth in range(8):
            pitch = ROOTS[bar % 4] + shift + (0, 7, 12, 16, 12, 7, 12, 7)[eighth]
            _note(accompaniment, 2, pitch, start + eighth * TICKS // 2, 200, 60 + 4 * eighth)
        accompaniment.append((start + 30, mido.Message("control_change", channel=2, control=64, value=127)))
        accompaniment.append((start + 4 * TICKS - 30, mido.Message("control_change", channel=2, control=64, value=0)))
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BPM))]))
    for name, events in (("MELODY", melody), ("PIANO", accompaniment)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        now = 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    return file


def _note(
    events: list[tuple[int, mido.Message]], channel: int, pitch: int, tick: int, length: int, velocity: int
) -> None:
    events.append((tick, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
    events.append((tick + length, mido.Message("note_off", channel=channel, note=pitch)))
