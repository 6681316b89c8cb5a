"""Writes performances as MIDI files for listening."""

from pathlib import Path

import mido
import numpy as np

from .excerpts import choose_excerpts, load_average, play
from .library import load
from .midi import SUSTAIN, Performance
from .sampling import Sampling

TICKS_PER_SECOND = 960


def write_midi(performance: Performance, path: Path) -> None:
    """Writes a MIDI file with one track at 120 BPM: the melody on channel 1, the accompaniment on channel 2."""
    events: list[tuple[float, int, mido.Message]] = []
    rows = zip(performance.onset, performance.key_up, performance.pitch, performance.velocity, performance.voice)
    for onset, key_up, pitch, velocity, voice in rows:
        note = {"channel": 1 - int(voice), "note": int(pitch)}
        rounded = int(np.clip(round(float(velocity)), 1, 127))
        events.append((float(onset), 1, mido.Message("note_on", velocity=rounded, **note)))
        events.append((float(key_up), 0, mido.Message("note_off", **note)))
    for time, down in zip(performance.pedal_times, performance.pedal_down):
        for channel in range(2):
            change = mido.Message("control_change", channel=channel, control=SUSTAIN, value=127 * int(down))
            events.append((float(time), 2, change))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    now = 0
    for time, _, message in sorted(events, key=lambda event: event[:2]):
        tick = max(round(time * TICKS_PER_SECOND), now)
        track.append(message.copy(time=tick - now))
        now = tick
    file = mido.MidiFile(ticks_per_beat=TICKS_PER_SECOND // 2)
    file.tracks.append(track)
    file.save(path)


def write_songs(
    checkpoint: Path, library_path: Path, out: Path, count: int, seconds: float, temperature: float, seed: int
) -> None:
    """Writes held-out songs, and performances of their plans, as MIDI files."""
    library, net = load(library_path), load_average(checkpoint)
    chosen = choose_excerpts(library, 0.1, seconds, count)
    out.mkdir(parents=True, exist_ok=True)
    for excerpt, played in zip(chosen, play(net, library, chosen, Sampling.of(temperature), seed)):
        write_midi(played, out / f"{excerpt.song.name}-written.mid")
        write_midi(excerpt.performance(), out / f"{excerpt.song.name}-song.mid")
        print(f"{excerpt.song.name}: {len(played.onset)} notes written", flush=True)
