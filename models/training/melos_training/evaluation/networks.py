"""Measures the networks: the pianist and the whole chain on held-out music, and the composer's likelihood.

Also measures how well renderings can be transcribed, and whether training pieces have been memorised.
"""

from pathlib import Path

import numpy as np

from ..composer.conditions import GROUPS
from ..composer.evaluation import nats_per_note_by_variant
from ..constants import SAMPLE_RATE
from ..pianist.measure import measure
from . import transcription, vocoding
from .quality import visqol_score
from .statistics import mean
from .study import Study
from .tables import table

PARTS = ("total", "offset", "key", "velocity", "duration", "voice", "pedal")
TRANSCRIPTION_SEEDS = 3
SOURCES = {"pianist": "encoder's latents", "performed": "prior's latents", "notes": "notes alone"}
"""Sources of the pianist's latents, with the names of their columns."""


def measure_pianist(study: Study, folder: Path) -> str:
    results = measure(study.pianist, study.model.prior(), study.pianos, study.folders)
    rows = [
        [
            f"{name} ({piano})",
            *(f"{result[f'{source}{part}']:.2f}" for source in SOURCES for part in ("", "_attack")),
            f"{result['nats']:.2f}",
            f"{result['active']:.0f} of {study.model.latent}",
            f"{result['clips']:.0f}",
        ]
        for name, piano in zip(study.model.pianos, study.pianos)
        if (result := results.get(piano))
    ]
    columns = ["piano", *(f"{source}{part}" for source in SOURCES.values() for part in ("", ", at attacks"))]
    columns += ["KL, nats per latent", "active latent dimensions", "N"]
    return (
        "Log-mels of the `test` split, reconstructed by the encoder and decoder; decoded from the notes with latents "
        "sampled from the prior, as in a performance; and from the notes alone (latents of 0): mean absolute error in "
        "dB, over all frames and at attacks.\n\n"
    ) + table(columns, rows)


def measure_chain(study: Study, folder: Path) -> str:
    rows = []
    for piano, name in enumerate(study.model.pianos):
        scores: dict[str, list[tuple[float, ...]]] = {}
        for excerpt, copies in study.chain(piano):
            notes = excerpt.notes()[:, [0, 2]] - [vocoding.FIRST_SAMPLE / SAMPLE_RATE, 0]
            original = copies["original"]
            played = notes[(notes[:, 0] >= 0) & (notes[:, 0] < len(original) / SAMPLE_RATE)]
            for kind, copy in copies.items():
                onsets = transcription.onset_scores(transcription.transcribe(copy), played)[2]
                scores.setdefault(kind, []).append(
                    (visqol_score(copy, original), onsets, *vocoding.distances(copy, original))
                )
        rows += [
            [f"{name}: {kind}", *(mean([v[i] for v in values]) for i in range(4)), len(values)]
            for kind, values in scores.items()
        ]
    return (
        "Excerpts of the `test` split. ViSQOL compares a copy with the original, so the original scores the maximum. "
        f"{transcription.__doc__}\n"
        + table(["", "ViSQOL", "note-onset F1", "log-spectral distance, dB", "multi-resolution STFT", "N"], rows)
        + "\nTarget: a ViSQOL score of 4.50 for the whole chain on each piano.\n"
    )


def measure_transcription(study: Study, folder: Path) -> str:
    seconds = study.sizes.seconds
    requests = [request for request in study.requests(False) if request.seed < study.seeds()[0] + TRANSCRIPTION_SEEDS]
    renderings = [study.render(request) for request in requests]
    by_networks = [(x.audio(SAMPLE_RATE), x.notes().onsets(seconds)) for x in renderings]
    by_samples = [(x.full_audio(), x.notes()[:, [0, 2]]) for x in study.sampled(renderings)]
    rows = []
    for name, played in {"pianist and vocoder": by_networks, "sampled piano": by_samples}.items():
        scores = [transcription.onset_scores(transcription.transcribe(audio), notes) for audio, notes in played]
        rows.append([name, *(mean([score[i] for score in scores]) for i in range(3)), len(scores)])
    return (
        f"{transcription.__doc__}\nThe composer's notes for every emotion, played on the concert grand.\n\n"
        + table(["played by", "precision", "recall", "F1", "N"], rows)
        + "\nTarget: an F1 score at most 0.03 below that of the sampled piano.\n"
    )


def measure_likelihood(study: Study, folder: Path) -> str:
    nats = nats_per_note_by_variant(study.composer, study.library)
    shown = [name for name in nats if name.removeprefix("without ") not in GROUPS]
    rows = [[name, *(f"{nats[name][part]:.3f}" for part in PARTS)] for name in shown]
    return (
        "Nats per note of held-out songs of POP909, in total and by part, with all conditions and without some of "
        "them, followed by the other corpora. `total` excludes the pedal.\n\n"
    ) + table(["", *PARTS], rows)


def measure_memorisation(study: Study, folder: Path) -> str:
    melody_index = study.melody_index
    melodies = study.map_renderings(study.requests(False), lambda rendering: rendering.notes().melody())
    rendered = [melody_index.longest_shared(melody) for melody in melodies]
    length = int(np.median([len(melody) for melody in melodies]))
    baseline = [
        melody_index.longest_shared(melody[:length], without=i)
        for i, melody in enumerate(study.melodies[:200])
        if len(melody) >= length
    ]
    title = f"the first {length} notes of a training piece, compared with the others"
    rows = [
        [name, mean(shared), max(shared), len(shared)]
        for name, shared in {"renderings, network alone": rendered, title: baseline}.items()
    ]
    return (
        "Length in notes of the longest melodic run (highest notes, as intervals) shared with any of "
        f"{len(study.melodies)} training pieces.\n\n"
    ) + table(["", "mean", "longest", "N"], rows)
