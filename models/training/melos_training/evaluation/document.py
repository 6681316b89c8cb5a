"""Writes models/EVALUATION.md: all measurements, with sample sizes and confidence intervals."""

from collections.abc import Callable, Sequence
from pathlib import Path

from . import composition, music, networks
from .study import Study

SECTIONS: dict[str, Callable[[Study, Path], str]] = {
    "Emotion": music.measure_emotion,
    "Change of emotion": music.measure_changes,
    "Chord": music.measure_chords,
    "Beat": music.measure_beat,
    "Notes": composition.compare_notes,
    "Structure": composition.compare_structure,
    "Temperature": composition.measure_temperature,
    "Whole chain": networks.measure_chain,
    "Pianist": networks.measure_pianist,
    "Composer": networks.measure_likelihood,
    "Transcription": networks.measure_transcription,
    "Fréchet audio distance": music.measure_fad,
    "Memorisation": networks.measure_memorisation,
    "Endurance": music.measure_endurance,
}


def write(study: Study, sections: Sequence[str], models: Path) -> None:
    """Measures `sections`, and writes EVALUATION.md after each of them."""
    sizes = study.sizes
    command = f"make evaluate EXCERPTS={sizes.excerpts} SECONDS={sizes.seconds:g} HOURS={sizes.hours:g}"
    if list(sections) != list(SECTIONS):
        quoted = " ".join(f'"{title}"' for title in sections)
        command += f" SECTIONS='{quoted}'"
    text = f"""# Evaluation

Written by `{command}`. For each of the eight emotions, there are {sizes.excerpts} excerpts of {sizes.seconds:g} s, with
seeds {study.seeds()[0]} to {study.seeds()[-1]} (from 1 for change, beat, structure and temperature), rendered by
`melos render` without reverb, excluding the first 4 s; and {sizes.hours * 60:g} minutes of the network alone (seed 1).
Brackets give 95 % bootstrap intervals over excerpts. The held-out pieces are {len(study.held_out["valid"])} from the
`valid` split and {len(study.held_out["test"])} from the `test` split.
"""
    for title in sections:
        print(title, flush=True)
        text += f"\n## {title}\n\n{SECTIONS[title](study, models / 'evaluation')}"
        (models / "EVALUATION.md").write_text(text)
