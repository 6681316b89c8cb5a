"""Plays the notes of renderings on the piano with whose samples the networks were trained."""

import csv
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .. import repository
from ..data import Shards
from .held_out import Excerpt
from .renders import LEAD_IN, Rendering

PIANO = repository.ROOT / "crates/corpus/pianos/salamander.toml"
SPLIT = "test"


def play(melos_corpus: Path, renderings: Sequence[Rendering], seconds: float) -> list[Excerpt]:
    """Returns the notes of renderings, from the end of the lead-in on, played by `melos-corpus prepare`.

    The shards are cached beside the renderings. The notes are listed like those of MAESTRO, whose test pieces are
    neither transposed nor changed in tempo.
    """
    folder = renderings[0].midi.parent / "sampled"
    folder.mkdir(exist_ok=True)
    with (folder / "maestro.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["split", "midi_filename", "audio_filename"])
        rows.writerows([SPLIT, f"../{rendering.midi.name}", "none"] for rendering in renderings)
    arguments = ["--corpus", f"maestro={folder}", "--piano", str(PIANO), "--held-out", "--audio", "--out", str(folder)]
    subprocess.run([str(melos_corpus), "prepare", *arguments], check=True, stdout=subprocess.DEVNULL)
    pieces = {rendering.midi.stem.replace("-", "_") for rendering in renderings}
    shards = Shards([folder], SPLIT, needs_audio=True).shards
    described = [(shard, shard.metadata()) for shard in shards]
    return [
        Excerpt(shard, LEAD_IN - float(metadata["start"]), seconds)
        for shard, metadata in described
        if metadata["piece"] in pieces
    ]
