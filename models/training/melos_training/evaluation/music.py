"""Measures the rendered audio: emotion, chords, beat, realism and endurance."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..constants import ANCHORS, EMOTIONS
from . import beat, chord, describe, emotion, endurance, fad, plots, rise
from .renders import Rendering, Request
from .statistics import bootstrap, mean
from .study import Study
from .tables import table

CHANGE_SECONDS = 36.0
CHANGE_SEEDS = 16
TEMPI = (60, 80, 100, 120, 140, 160)


def measure_emotion(study: Study, folder: Path) -> str:
    judge = study.judge
    accuracy = judge.accuracy
    estimated = {}
    for name, harmony in (("network alone", False), ("with harmony", True)):
        requests = study.requests(harmony)
        estimated[name] = emotion.agreement(judge(study.features(requests)), [r.emotion for r in requests])
    rows = [
        [title, accuracy[key], *(h[key] for h in estimated.values()), target]
        for title, key, target in (
            ("arousal AUC", "arousal_auc", "0.95 alone, 0.97 with harmony"),
            ("valence AUC", "valence_auc", "0.90 alone, 0.92 with harmony"),
            ("one of eight", "emotions", "0.60"),
            ("one of eight, by the other judge", "other_emotions", ""),
            ("quadrant of valence and arousal", "quadrants", "0.75"),
        )
    ]
    rows += [
        [f"{e} vs. {emotion.neighbour(e)}", "", *(h["pairs"][e][1] for h in estimated.values()), "0.70"]
        for e in EMOTIONS
    ]
    affect = [[e, *ANCHORS[e], *(f"{x:.2f}" for h in estimated.values() for x in h["affect"][e])] for e in EMOTIONS]
    picture = plots.confusions({name: h["confusion"] for name, h in estimated.items()}, folder)
    return (
        f"""The judge is a model that analyses level-normalised audio. It was fitted to {accuracy["windows"]} excerpts
of {accuracy["pieces"]} held-out pieces, labelled from their notes by the rules that also label the training music
(`melos-corpus prepare`); no human listener was involved. The judge estimates valence and arousal and picks the emotion
with the nearest anchor, whereas the rules also weigh other cues; the other judge is fitted to the emotions directly.
Their accuracy on held-out music was measured by {emotion.FOLDS}-fold cross-validation with each piece in a single fold.
A judge of the same kind, fitted to the same pieces, was used on other seeds to choose the profiles of the moods, so the
judge is not independent of the music.

"""
        + table(["", "judge on held-out music", *estimated, "target"], rows)
        + "\n"
        + picture
        + "\n\n"
        + table(
            ["requested", "valence", "arousal", *(f"{n}: {v}" for n in estimated for v in ("valence", "arousal"))],
            affect,
        )
    )


def mean_crossing(times: Floats, level: float, curves: Floats) -> float:
    """Returns the time at which the normalised mean of the curves rises to a level."""
    return rise.crossing_time(times, rise.normalise(times, curves.mean(0)), level)


def activity_around_change(rendering: Rendering) -> tuple[Floats, Floats, float]:
    """Returns the times and values of the activity around the change in the middle of a rendering.

    The third result is the length of a beat after it, in seconds.
    """
    written = rendering.notes()
    times, activity = rise.activity(written.performance, CHANGE_SECONDS / 2, CHANGE_SECONDS)
    return times, activity, 60 / float(rendering.plan()[-1]["tempo_bpm"])


def measure_changes(study: Study, folder: Path) -> str:
    rows, mean_curves, sudden = [], {}, []
    judge = study.judge  # fitted before the threads start, because they share it
    for start, end in (("calm", "energetic"), ("energetic", "calm")):
        requests = [
            Request(start, seed, CHANGE_SECONDS, later_emotion=end)
            for seed in range(1, min(CHANGE_SEEDS, study.sizes.excerpts) + 1)
        ]
        estimated = study.map_renderings(
            requests, lambda x: rise.arousal_curve(judge, study.describe, x.audio(), CHANGE_SECONDS / 2)
        )
        times, curves = estimated[0][0], [arousal for _, arousal in estimated]
        levels = [bootstrap(partial(mean_crossing, times, level), curves) for level in (0.1, 0.5, 0.9)]
        rows.append([f"{start} to {end}", *levels, len(curves)])
        mean_curves[f"{start} to {end}"] = times, rise.normalise(times, np.mean(curves, 0))
        played = study.map_renderings([replace(request, glide=0.0) for request in requests], activity_around_change)
        times, curves = played[0][0], [activity for _, activity, _ in played]
        step = bootstrap(lambda sample, times=times: rise.step_time(times, sample.mean(0)), curves)
        sudden.append([f"{start} to {end}", step, f"{np.mean([beat for *_, beat in played]):.2f}", len(curves)])
    return (
        f"Network alone, with the default glide of 2 s. Arousal is estimated in windows of {rise.WINDOW:g} s, "
        "which smear a sudden change over that time; the curve is the mean over seeds.\n\n"
        + table(["", "10 % reached, s", "50 %, s", "90 %, s", "N"], rows)
        + "\n"
        + plots.rise(mean_curves, folder)
        + "\n\nWithout a glide, measured from the notes: the time at which a sudden step best fits the sum of the "
        f"velocities of the notes in a sliding window of {rise.NOTES_WINDOW:g} s, averaged over the seeds.\n\n"
        + table(["", "time of the step, s", "beat length afterwards, s", "N"], sudden)
        + "\nTarget: within one beat.\n"
    )


def measure_chords(study: Study, folder: Path) -> str:
    rows = []
    for name, harmony in (("network alone", False), ("with harmony", True)):
        played = study.map_renderings(
            study.requests(harmony), lambda x: chord.margin(x.audio(), chord.planned_chords(x.plan()))
        )
        rows.append([name, mean([m for m, _ in played]), mean([s for _, s in played]), len(played)])
    songs = [x for x in study.real if x.shard.metadata()["corpus"] == "pop909"]
    real = [chord.margin(x.audio(), chord.labelled_chords(study.chord_labels(x), x.piece_start())) for x in songs]
    rows.append(["real POP909 against its labels", mean([m for m, _ in real]), mean([s for _, s in real]), len(real)])
    return (
        table(["", "margin", "share inside the triad", "N"], rows)
        + "\nTargets: a margin of 0.25, and a share of notes within the chord at least as high as in real music "
        "(`in chord` in *Notes*).\n"
    )


def measure_beat(study: Study, folder: Path) -> str:
    rows = []
    for tempo in TEMPI:
        seeds = range(1, max(2, study.sizes.excerpts // 8) + 1)
        requests = [
            Request(name, seed, study.sizes.seconds, tempo=tempo) for seed in seeds for name in ("happy", "calm")
        ]
        strengths = study.map_renderings(requests, beat.rendering_strength)
        others = study.map_renderings(requests, lambda x: beat.rendering_strength(x, beat.UNRELATED_TEMPO))
        rows.append(
            [
                tempo,
                *(mean([s[d] for s in strengths]) for d in beat.DIVISIONS),
                mean([s[2] for s in others]),
                len(strengths),
            ]
        )
    played = [
        (beat.tempo(*grid), beat.strength(describe.onsets(x.audio())[0], *grid))
        for x in study.real
        if (grid := x.beats())
    ]
    nearest = [min(TEMPI, key=lambda tempo: abs(np.log(tempo / bpm))) for bpm, _ in played]
    for name in (*TEMPI, "any tempo"):
        strengths = [s for tempo, (_, s) in zip(nearest, played) if name in (tempo, "any tempo")]
        if strengths:
            cells = (mean([s[division] for s in strengths]) for division in beat.DIVISIONS)
            rows.append([f"real music, {name}", *cells, "", len(strengths)])
    return (
        "Happy and calm, network alone: vector strength of onsets relative to beats, half-beats and quarter-beats. "
        "Held-out music, relative to its own beats, is grouped by the nearest tempo: at slow tempi, much of it moves "
        "in quarter-beats.\n\n"
        + table(["BPM", "beats", "half-beats", "quarter-beats", "half-beats of an unrelated tempo", "N"], rows)
        + "\nTarget: 0.70 on half-beats, or as strong as in real music of that tempo.\n"
    )


def measure_fad(study: Study, folder: Path) -> str:
    embedding = fad.Embedding(study.real_features)
    pieces = np.array([x.piece for x in study.real])
    chosen = np.isin(pieces, np.unique(pieces)[::2])
    reference, others = (embedding(study.real_features[part]) for part in (chosen, ~chosen))
    originals = np.array(study.real, object)[~chosen][::2]
    copies = embedding(np.stack([study.describe(study.resynthesise(x)) for x in originals]))
    sets = {"other real pieces": others, "other real pieces, resynthesised (lower bound)": copies}
    for name, harmony in (("network alone", False), ("with harmony", True)):
        sets[name] = embedding(study.features(study.requests(harmony)))
    rows = [[name, bootstrap(lambda x: fad.frechet(x, reference), x), len(x)] for name, x in sets.items()]
    return (
        fad.__doc__.split("\n\n", 1)[1]
        + f"\nReference: {len(reference)} excerpts, from every second held-out piece.\n\n"
        + table(["", "distance", "N"], rows)
    )


def measure_endurance(study: Study, folder: Path) -> str:
    requests = [Request(name, 1, study.sizes.hours * 3600) for name in EMOTIONS]
    minutes_of_each = study.map_renderings(requests, lambda x: [endurance.describe_minute(y) for y in x.minutes()])
    series = dict(zip(EMOTIONS, minutes_of_each))
    rows = []
    for name, minutes in series.items():
        cells = [
            f"{np.mean(v):.2f} ± {np.std(v):.2f}, drift {endurance.drift(v):+.2f}"
            for v in ([getattr(m, f) for m in minutes] for f in endurance.FIELDS)
        ]
        rows.append([name, *cells, *endurance.count_flaws(minutes)])
    ends = [[endurance.describe_minute(x.audio()) for x in pair] for pair in study.first_and_last()]
    rows.append(
        ["real pieces", *(f"{np.mean(v):+.2f} ± {np.std(v):.2f}" for v in endurance.changes(ends).values()), "", ""]
    )
    return (
        f"""{len(series["happy"])} minutes of each emotion, network alone, seed 1: mean and standard deviation over
minutes, and the drift of a linear fit from start to end. Last row: mean and standard deviation,
over {len(ends)} held-out pieces with at least three rendered excerpts, of the change from the first excerpt
({study.sizes.seconds:g} s) to the last.

"""
        + table(
            [
                "",
                "level, dB",
                "onsets per second",
                "chroma entropy, bits",
                "novelty",
                "silent minutes",
                "stuck minutes",
            ],
            rows,
        )
        + "\n"
        + plots.endurance(series, folder)
        + "\n"
    )
