"""Tests the measurements on inputs with known results."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from melos_training.arrays import Floats
from melos_training.composer.midi import Performance
from melos_training.constants import (
    ANCHORS,
    CONDITION_COUNT,
    EMOTIONS,
    FRAMES_PER_SECOND,
    LATENT_FRAMES,
    SAMPLE_RATE,
    VALUE_COUNT,
)
from melos_training.data import Shard
from melos_training.evaluation import (
    beat,
    chord,
    describe,
    emotion,
    endurance,
    fad,
    memory,
    rise,
    structure,
    transcription,
)
from melos_training.evaluation.held_out import Excerpt
from melos_training.evaluation.quality import visqol_score
from melos_training.evaluation.renders import RATE
from melos_training.evaluation.statistics import auc, bootstrap
from melos_training.evaluation.written import GeneratedNotes, chord_starts


def tone(pitches: Sequence[int], seconds: float = 4.0) -> Floats:
    time = np.arange(int(seconds * RATE)) / RATE
    partials = [0.1 * np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * time) for p in pitches]
    return np.sum(partials, axis=0).astype(np.float32)


def test_auc_of_separate_equal_and_mixed_groups() -> None:
    assert auc(np.array([2, 3]), np.array([0, 1])) == 1
    assert auc(np.array([1, 1]), np.array([1, 1])) == 0.5
    assert auc(np.array([0, 3]), np.array([1, 2])) == 0.5


def test_the_confidence_interval_of_a_mean_matches_its_standard_error() -> None:
    sample = np.random.default_rng(1).standard_normal(400)
    estimate = bootstrap(np.mean, sample)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * sample.std() / 20, rel=0.15)


def test_the_frechet_distance_of_a_shift_is_its_square() -> None:
    x = np.random.default_rng(0).standard_normal((200, 4))
    assert fad.frechet(x, x) == pytest.approx(0, abs=1e-6)
    assert fad.frechet(x, x + np.array([3, 0, 0, 0])) == pytest.approx(9, abs=1e-6)


def test_vector_strength_is_one_for_a_metronome_and_zero_for_uniform_phases() -> None:
    assert beat.vector_strength(np.arange(20.0)) == pytest.approx(1)
    assert beat.vector_strength(np.arange(20) / 20) == pytest.approx(0, abs=1e-9)
    onsets = np.arange(0, 8, 0.25)
    strengths = beat.strength(onsets, [0, 8], [0, 16])
    assert strengths[2] == pytest.approx(1) and strengths[1] == pytest.approx(0, abs=1e-9)


def test_beats_of_a_held_out_piece_follow_its_conditions() -> None:
    step = LATENT_FRAMES / FRAMES_PER_SECOND
    phase = np.arange(100) * step * 1.5
    conditions = np.zeros((100, CONDITION_COUNT), np.float32)
    conditions[:, 34], conditions[:, 35] = np.cos(2 * np.pi * phase), np.sin(2 * np.pi * phase)
    conditions[:, VALUE_COUNT + 4] = 1
    shard = cast(Shard, SimpleNamespace(read=lambda name, first, last: conditions[first:last]))
    grid = Excerpt(shard, 20 * step, 4.0).beats()
    assert grid
    times, beats = grid
    assert times[0] == pytest.approx(0) and np.diff(times) == pytest.approx(step)
    assert np.diff(beats) == pytest.approx(1.5 * step, abs=1e-5)
    conditions[30, VALUE_COUNT + 4] = 0
    assert Excerpt(shard, 20 * step, 4.0).beats() is None


def test_a_triad_matches_itself_but_not_another_triad() -> None:
    c_major = tone([60, 64, 67])
    inside, share = chord.margin(c_major, [(0.0, [0, 4, 7])])
    outside, _ = chord.margin(c_major, [(0.0, [1, 5, 8])])
    assert share > 0.8 and inside > 0.5 > 0 > outside


def test_chord_labels_of_pop909_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "chord_midi.txt"
    path.write_text("0.0\t1.0\tN\n1.0\t2.5\tBb:min7/5\n2.5\t3.0\tG:7\n")
    assert chord.labelled_chords(path, 1.0) == [(-1.0, []), (0.0, [10, 1, 5]), (1.5, [7, 11, 2])]


def test_features_do_not_depend_on_level() -> None:
    sound = tone([60, 64, 67]) * np.linspace(1, 0.3, 4 * RATE, dtype=np.float32)
    assert np.allclose(describe.describe(sound), describe.describe(0.2 * sound), atol=1e-2)


def test_each_onset_matches_once_by_pitch_and_time() -> None:
    truth = np.array([[0.0, 60], [1.0, 60], [1.0, 64]])
    estimated = np.array([[0.01, 60], [0.02, 60], [1.2, 64]])
    assert transcription.onset_scores(estimated, truth) == pytest.approx((1 / 3,) * 3)


def test_a_tone_is_transcribed_and_noise_lowers_its_quality() -> None:
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    decay = sum(0.3 / n**2 * np.exp(-(1 + n) * time) * np.sin(2 * np.pi * 261.63 * n * time) for n in range(1, 9))
    sound = np.concatenate([np.zeros(SAMPLE_RATE), decay]).astype(np.float32)
    onsets = transcription.transcribe(sound)
    assert transcription.onset_scores(onsets, np.array([[1.0, 60]]))[1] == 1
    noisy = sound + np.random.default_rng(0).normal(0, 0.02, len(sound)).astype(np.float32)
    assert visqol_score(sound, sound) > 4.5 > visqol_score(noisy, sound)


def test_repetition_has_more_structure_than_random_notes() -> None:
    rng = np.random.default_rng(0)
    tones = {p: np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * np.arange(RATE // 2) / RATE) for p in range(48, 72)}
    phrase = rng.integers(48, 72, 20)
    repeated, random = np.tile(phrase, 3), rng.integers(48, 72, 60)
    sounds = [np.concatenate([tones[p] for p in notes]).astype(np.float32) for notes in (repeated, random)]
    with_repetition, without = map(structure.indices, sounds)
    assert all(with_repetition[scale] > without[scale] + 0.1 for scale in ("3 to 8 s", "8 to 15 s"))


def test_generated_notes_have_the_beats_and_chords_of_their_plan() -> None:
    entries = [
        {"seconds": s, "beat": 2 * (s + 4), "beats_per_bar": 4, "pitch_classes": [9, 0, 4], "bass": 9, "chord": "Am"}
        for s in np.arange(-4, 8, 0.1)
    ]
    for entry in entries[80:]:
        entry.update(pitch_classes=[5, 9, 0], bass=5, chord="F")
    onset = np.array([-1.0, 0.0, 0.5, 1.25, 5.0])
    pitch = np.array([60, 57, 69, 64, 65])
    played = Performance(onset, onset + 0.4, pitch, pitch * 0 + 64.0, pitch * 0, np.zeros(0), np.zeros(0, np.bool_))
    notes = GeneratedNotes.of(played, entries)
    assert notes.chords == 2
    assert notes.setting.grid.beats(onset) == pytest.approx(2 * onset + 8)
    assert list(notes.setting.chord(np.array([0.0, 5.0]))[1]) == [9, 5]
    assert [tuple(row) for row in notes.onsets(2.0)] == [(0.0, 57), (0.5, 69), (1.25, 64)]
    assert list(notes.melody()) == [57, 69, 64, 65]


def test_a_chord_begins_at_the_half_beat_before_its_entry() -> None:
    entries = [{"seconds": s, "beat": 2 * s + 0.1} for s in np.arange(0, 4, 0.1)]
    starts = chord_starts(entries)
    assert starts[10] == pytest.approx(0.95, abs=0.006), "the chord should begin at the half-beat between two entries"
    assert starts[11] == pytest.approx(1.1, abs=0.006), (
        "without a half-beat since the previous entry, the chord should begin at its entry"
    )


def test_a_transposed_copy_is_found_at_full_length() -> None:
    piece = np.random.default_rng(0).integers(50, 80, 40)
    melody_index = memory.MelodyIndex([piece, piece[:12]])
    assert melody_index.longest_shared(piece[10:25] + 3) == 15
    assert melody_index.longest_shared(piece, without=0) == 12
    assert list(memory.melody([(0, 60), (0.01, 67), (0.5, 62)])) == [67, 62]


def test_a_ramp_crosses_one_half_at_its_midpoint() -> None:
    times = np.arange(-10, 20.0)
    share = rise.normalise(times, 3 - 2 * np.clip(times / 4, 0, 1))
    assert rise.crossing_time(times, share) == pytest.approx(2)
    assert np.isnan(rise.crossing_time(times, share * 0))


def test_the_time_of_a_step_ignores_fluctuations_before_it() -> None:
    times = np.arange(-12, 12, 0.1)
    values = np.where(times < 0.3, 10.0, 2.0) + np.sin(40 * times)
    values[(times > -3.9) & (times < -3.6)] = 4.0
    assert rise.step_time(times, values) == pytest.approx(0.25, abs=0.11)
    assert rise.crossing_time(times, rise.normalise(times, values)) < -3


def test_a_sudden_change_in_the_notes_is_located() -> None:
    onset = np.concatenate([np.arange(0, 18, 0.5), np.arange(18, 36, 0.125)])
    keys = np.full(len(onset), 60)
    no_pedal = np.zeros(0)
    performance = Performance(onset, onset + 0.1, keys, 1.0 * keys, 0 * keys, no_pedal, no_pedal > 0)
    times, sums = rise.activity(performance, 18.0, 36.0)
    assert len(times) == len(sums)
    assert rise.crossing_time(times, rise.normalise(times, sums)) == pytest.approx(0, abs=0.1)


def test_silent_and_stuck_minutes_are_counted() -> None:
    silence, held = np.zeros(4 * RATE, np.float32), tone([60])
    assert endurance.count_flaws([endurance.describe_minute(silence)])[0] == 1
    assert endurance.count_flaws([endurance.describe_minute(held)]) == (0, 1)
    assert endurance.drift([1, 2, 3, 4]) == pytest.approx(4)
    ends = [endurance.describe_minute(sound) for sound in (held, 0.1 * held)]
    assert endurance.changes([ends])["level_db"] == pytest.approx([-20], abs=0.1)


def test_judge_estimates_affect_and_picks_the_nearest_anchor() -> None:
    rng = np.random.default_rng(0)
    affect = np.repeat([ANCHORS[name] for name in EMOTIONS], 12, axis=0) + rng.normal(0, 0.05, (96, 2))
    mixing = rng.normal(size=(2, 20))
    features = affect @ mixing + rng.normal(0, 0.1, (96, 20))
    names = np.repeat(np.eye(8), 12, axis=0)
    judge = emotion.Judge(features, np.hstack([names, affect]), list(range(12)) * 8)
    assert judge.accuracy["emotions"].value > 0.9 and judge.accuracy["valence_auc"].value > 0.95

    requested = [name for name in EMOTIONS for _ in range(10)]
    played = np.array([ANCHORS[name] for name in requested]) @ mixing + rng.normal(0, 0.1, (80, 20))
    result = emotion.agreement(judge(played), requested)
    assert result["emotions"].value > 0.9 and result["confusion"].trace() > 7
    assert abs(result["affect"]["sad"][0] - ANCHORS["sad"][0]) < 0.15
    assert all(pair.value > 0.8 for _, pair in result["pairs"].values())
    # Always playing the same emotion scores at chance.
    same = emotion.agreement(judge(np.tile(played[:1], (80, 1))), requested)
    assert result["quadrants"].value > 0.95 and same["quadrants"].value == 0.25
    assert same["emotions"].value == 0.125 and all(pair.value == 0.5 for _, pair in same["pairs"].values())
