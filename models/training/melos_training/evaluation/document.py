"""models/EVALUATION.md: every measurement with its number of excerpts and its interval."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats
from ..constants import ANCHORS, EMOTIONS, SAMPLE_RATE
from . import (
    beat,
    chord,
    describe,
    diversity,
    emotion,
    endurance,
    fad,
    likelihood,
    memory,
    plots,
    reconstruction,
    rise,
    transcription,
    vocoding,
)
from .renders import Request
from .statistics import bootstrap, mean
from .study import Study
from .vocoding import mel_of

TEMPERATURES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3)
CHANGE_SECONDS = 36.0
CHANGE_SEEDS = 16
MEMORY_SEEDS = 32
TEMPI = (60, 80, 100, 120, 140, 160)


def table(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def hear_emotion(study: Study, folder: Path) -> str:
    judge = study.judge
    own = judge.accuracy
    heard = {}
    for name, harmony in (("network alone", False), ("with harmony", True)):
        requests = study.requests(harmony)
        heard[name] = emotion.agreement(judge(study.features(requests)), [r.emotion for r in requests])
    rows = [
        [title, own[key], *(h[key] for h in heard.values()), wanted]
        for title, key, wanted in (
            ("arousal AUC", "arousal_auc", "0.95 alone, 0.97"),
            ("valence AUC", "valence_auc", "0.90 alone, 0.92"),
            ("one of eight", "names", "0.60"),
            ("one of eight, by the other judge", "other_names", ""),
        )
    ]
    rows += [
        [f"{e} from {emotion.neighbour(e)}", "", *(h["pairs"][e][1] for h in heard.values()), "0.70"] for e in EMOTIONS
    ]
    affect = [[e, *ANCHORS[e], *(f"{x:.2f}" for h in heard.values() for x in h["affect"][e])] for e in EMOTIONS]
    picture = plots.confusions({name: h["confusion"] for name, h in heard.items()}, folder)
    return (
        f"""The judge is a model that analyses level-normalised audio. It was fitted to {own["windows"]} excerpts of
{own["pieces"]} held-out pieces, labelled by the same rules over notes that label the training music (`melos-corpus
prepare`); no human listener was involved. It estimates valence and arousal and picks the emotion with the nearest
anchor, as the rules do; the other judge is fitted to the emotions directly. Their accuracy on held-out music is from
{emotion.FOLDS}-fold cross-validation by piece. A judge of the same kind, fitted to the same pieces, was used on other
seeds to choose the profiles, modes and chords of the harmony and the guidance reference, so it is not independent of
what it judges.

"""
        + table(["", "judge on held-out music", *heard, "target"], rows)
        + "\n"
        + picture
        + "\n\n"
        + table(
            ["requested", "valence", "arousal", *(f"{n}: {v}" for n in heard for v in ("valence", "arousal"))], affect
        )
    )


def arrival(times: Floats, level: float, courses: Floats) -> float:
    """Returns when the mean of the curves reaches a level."""
    return rise.reached(times, rise.way(times, courses.mean(0)), level)


def hear_changes(study: Study, folder: Path) -> str:
    rows, curves = [], {}
    judge = study.judge  # computed before the threads need it
    for start, end in (("calm", "energetic"), ("energetic", "calm")):
        requests = [
            Request(start, seed, CHANGE_SECONDS, then=end)
            for seed in range(1, min(CHANGE_SEEDS, study.sizes.excerpts) + 1)
        ]
        heard = study.play(requests, lambda x: rise.course(judge, study.describe, x.sound(), CHANGE_SECONDS / 2))
        times, courses = heard[0][0], [arousal for _, arousal in heard]
        levels = [bootstrap(partial(arrival, times, level), courses) for level in (0.1, 0.5, 0.9)]
        rows.append([f"{start} to {end}", *levels, len(courses)])
        curves[f"{start} to {end}"] = times, rise.way(times, np.mean(courses, 0))
    return (
        f"Network alone, with the default glide of 2 s. Arousal is estimated in windows of {rise.WINDOW:g} s, "
        "which smear a sudden change over the same time; the curve is the mean over seeds.\n\n"
        + table(["", "10 % reached, s", "50 %, s", "90 %, s", "N"], rows)
        + "\n"
        + plots.rise(curves, folder)
        + "\n"
    )


def hear_chords(study: Study, folder: Path) -> str:
    rows = []
    for name, harmony in (("network alone", False), ("with harmony", True)):
        played = study.play(study.requests(harmony), lambda x: chord.margin(x.sound(), chord.planned(x.plan())))
        rows.append([name, mean([m for m, _ in played]), mean([s for _, s in played]), len(played)])
    songs = [x for x in study.real if x.shard.metadata()["corpus"] == "pop909"]
    real = [chord.margin(x.sound(), chord.labelled(study.chord_labels(x), x.piece_start())) for x in songs]
    rows.append(["real POP909 against its labels", mean([m for m, _ in real]), mean([s for _, s in real]), len(real)])
    return (
        table(["", "margin", "share inside the triad", "N"], rows)
        + "\nTarget: a margin of 0.25 and twice that of real music.\n"
    )


def hear_beat(study: Study, folder: Path) -> str:
    rows = []
    for tempo in TEMPI:
        seeds = range(1, max(2, study.sizes.excerpts // 8) + 1)
        requests = [
            Request(name, seed, study.sizes.seconds, tempo=tempo) for seed in seeds for name in ("happy", "calm")
        ]
        strengths = study.play(requests, beat.of_rendering)
        others = study.play(requests, lambda x: beat.of_rendering(x, beat.OTHER_PACE))
        rows.append(
            [
                tempo,
                *(mean([s[d] for s in strengths]) for d in beat.DIVISIONS),
                mean([s[2] for s in others]),
                len(strengths),
            ]
        )
    played = [beat.strength(describe.onsets(x.sound())[0], *grid) for x in study.real if (grid := x.beats())]
    rows.append(["real music, own beat", *(mean([s[d] for s in played]) for d in beat.DIVISIONS), "", len(played)])
    return (
        "Happy and calm, network alone: vector strength of onsets relative to beats, half-beats and quarter-beats.\n\n"
        + table(["BPM", "beats", "half-beats", "quarter-beats", "half-beats of an unrelated tempo", "N"], rows)
        + "\nTarget: 0.5.\n"
    )


def measure_fad(study: Study, folder: Path) -> str:
    embedding = fad.Embedding(study.real_features)
    pieces = np.array([x.piece for x in study.real])
    chosen = np.isin(pieces, np.unique(pieces)[::2])
    reference, others = (embedding(study.real_features[part]) for part in (chosen, ~chosen))
    copies = embedding(np.stack([study.describe(study.copy(x)) for x in np.array(study.real, object)[~chosen][::2]]))
    sets = {"other real pieces": others, "the same through VAE and vocoder (floor)": copies}
    for name, harmony in (("network alone", False), ("with harmony", True)):
        sets[name] = embedding(study.features(study.requests(harmony)))
    sets["untrained transformer (ceiling)"] = embedding(np.stack([study.describe(s) for s in study.untrained()]))
    rows = [[name, bootstrap(lambda x: fad.frechet(x, reference), x), len(x)] for name, x in sets.items()]
    return (
        fad.__doc__.split("\n\n", 1)[1]
        + f"\nReference: {len(reference)} excerpts, from every second held-out piece.\n\n"
        + table(["", "distance", "N"], rows)
    )


def measure_temperature(study: Study, folder: Path) -> str:
    embedding = fad.Embedding(study.real_features)
    points = {}
    for temperature in TEMPERATURES:
        seeds = range(1, max(4, study.sizes.excerpts // 8) + 1)
        spreads = [
            diversity.spread(
                embedding(
                    study.features(
                        [Request(name, seed, study.sizes.seconds, temperature=temperature) for seed in seeds]
                    )
                )
            )
            for name in EMOTIONS[:4]
        ]
        points[temperature] = mean(spreads)
    return (
        table(["temperature", "distance between seeds"], [[t, v] for t, v in points.items()])
        + "\n"
        + plots.temperature(points, folder)
        + "\n"
    )


def play_alone(study: Study, folder: Path) -> str:
    requests = [Request(name, 1, study.sizes.hours * 3600) for name in EMOTIONS]
    series = dict(
        zip(EMOTIONS, study.play(requests, lambda x: [endurance.describe_minute(samples) for samples in x.minutes()]))
    )
    rows = []
    for name, minutes in series.items():
        cells = [
            f"{np.mean(v):.2f} ± {np.std(v):.2f}, drift {endurance.drift(v):+.2f}"
            for v in ([getattr(m, f) for m in minutes] for f in endurance.FIELDS)
        ]
        rows.append([name, *cells, *endurance.flaws(minutes)])
    ends = [[endurance.describe_minute(x.sound()) for x in pair] for pair in study.ends()]
    rows.append(
        ["real pieces", *(f"{np.mean(v):+.2f} ± {np.std(v):.2f}" for v in endurance.changes(ends).values()), "", ""]
    )
    return (
        f"""{len(series["happy"])} minutes of each emotion, network alone, seed 1: mean and standard deviation over
minutes, and the drift of a linear fit from start to end. Last row: change from the first to the last
{study.sizes.seconds:g} s of {len(ends)} held-out pieces (up to the 90 s rendered of each), mean and standard deviation.

"""
        + table(
            ["", "level, dB", "onsets per second", "chroma entropy, bits", "novelty", "silent minutes", "stuck"],
            rows,
        )
        + "\n"
        + plots.endurance(series, folder)
        + "\n"
    )


def measure_latents(study: Study, folder: Path) -> str:
    errors, means, variances = zip(
        *(reconstruction.reconstruct(study.encoder, study.networks, mel) for mel in study.mels())
    )
    mean_rows = np.concatenate(means)
    active = int((mean_rows.std(0) > reconstruction.ACTIVE).sum())
    nats = reconstruction.nats(mean_rows, np.concatenate(variances)).mean()
    return table(
        ["", "value", "target"],
        [
            ["mean absolute error of the log-mel, dB", mean(errors), "≤ 1.5"],
            ["KL, nats per dimension", f"{nats:.2f}", ""],
            ["active dimensions", f"{active} of 32", "≥ 24"],
        ],
    )


def measure_likelihood(study: Study, folder: Path) -> str:
    latents, conditions = study.windows()
    kinds = {
        "with conditions": conditions,
        "without": conditions * 0,
        "with those of another window": conditions.roll(1, 0),
    }
    bits = {name: likelihood.bits_per_dimension(study.transformer, latents, kind) for name, kind in kinds.items()}
    rows = [
        [
            name,
            mean(value),
            f"{likelihood.perplexity(value).mean():.2f}",
            "" if name == "with conditions" else mean(value - bits["with conditions"]),
        ]
        for name, value in bits.items()
    ]
    return (
        f"{len(latents)} windows of {latents.shape[1]} latents; exact divergence, {likelihood.TIMES} midpoint steps. "
        "Densities are of standardised latents; perplexity is for bins of "
        f"{likelihood.STEP} standard deviations.\n\n"
        + table(["", "bits per dimension", "perplexity", "difference"], rows)
    )


def measure_vocoder(study: Study, folder: Path) -> str:
    scores: dict[str, list[tuple[float, float, float]]] = {"truth": [], "vocoder": [], "Griffin-Lim 32": []}
    for x in study.voiced():
        copies = vocoding.copies(study.networks, x.full_sound())
        begin = vocoding.BEGIN / SAMPLE_RATE
        notes = x.notes()[:, [0, 2]] - [begin, 0]
        for name, values in scores.items():
            found = transcription.transcribe(study.detector, mel_of(copies[name]))
            played = notes[(notes[:, 0] >= 0) & (notes[:, 0] < len(copies[name]) / SAMPLE_RATE)]
            values.append(
                (*vocoding.distances(copies[name], copies["truth"]), transcription.onset_scores(found, played)[2])
            )
    rows = [[name, *(mean([v[i] for v in values]) for i in range(3)), len(values)] for name, values in scores.items()]
    return (
        transcription.__doc__.split("\n\n", 1)[1]
        + "\n"
        + table(["", "log-spectral distance, dB", "multi-resolution STFT", "note-onset F1", "N"], rows)
    )


def measure_memory(study: Study, folder: Path) -> str:
    repertoire = study.repertoire
    requests = study.requests(False)[: MEMORY_SEEDS * len(EMOTIONS)]
    detector = study.detector  # computed before the threads need it
    found = study.play(
        requests, lambda x: memory.melody(transcription.transcribe(detector, mel_of(x.sound(SAMPLE_RATE))))
    )
    rendered = [repertoire.longest_shared(melody) for melody in found]
    length = int(np.median([len(melody) for melody in found]))
    between = [
        repertoire.longest_shared(melody[:length], without=i)
        for i, melody in enumerate(study.melodies[:200])
        if len(melody) >= length
    ]
    return (
        "Length in notes of the longest melodic run (highest notes, as intervals) shared with any of "
        f"{len(study.melodies)} training pieces. "
        "Renders are transcribed by the note detector above.\n\n"
        + table(
            ["", "mean", "longest", "N"],
            [
                ["renders, network alone", mean(rendered), max(rendered), len(rendered)],
                [
                    f"the first {length} notes of a training piece, compared with the others",
                    mean(between),
                    max(between),
                    len(between),
                ],
            ],
        )
    )


SECTIONS: dict[str, Callable[[Study, Path], str]] = {
    "Emotion": hear_emotion,
    "Change of emotion": hear_changes,
    "Chord": hear_chords,
    "Beat": hear_beat,
    "Reconstruction": measure_latents,
    "Vocoder": measure_vocoder,
    "Sequence model": measure_likelihood,
    "Fréchet audio distance": measure_fad,
    "Temperature": measure_temperature,
    "Memorisation": measure_memory,
    "Endurance": play_alone,
}


def write(study: Study, sections: Sequence[str], models: Path) -> None:
    """Writes EVALUATION.md after each of `sections`, so that partial results can be read."""
    sizes = study.sizes
    chosen = "" if list(sections) == list(SECTIONS) else "".join(f' "{title}"' for title in sections)
    command = f"make evaluate EXCERPTS={sizes.excerpts} SECONDS={sizes.seconds:g} HOURS={sizes.hours:g}" + (
        f" SECTIONS='{chosen[1:]}'" if chosen else ""
    )
    text = f"""# Evaluation

Written by `{command}`. There are {sizes.excerpts} excerpts of {sizes.seconds:g} s for each of eight emotions, with
seeds {study.seeds()[0]} to {study.seeds()[-1]} (from 1 for change, beat and temperature), rendered by `melos render`
without reverb, excluding the first 4 s; and {sizes.hours * 60:g} minutes of each emotion, network alone. Brackets
give 95 % bootstrap intervals over excerpts. The held-out pieces are {len(study.held_out["valid"])} from the `valid` and
{len(study.held_out["test"])} from the `test` split.
"""
    for title in sections:
        print(title, flush=True)
        text += f"\n## {title}\n\n{SECTIONS[title](study, models / 'evaluation')}"
        (models / "EVALUATION.md").write_text(text)
