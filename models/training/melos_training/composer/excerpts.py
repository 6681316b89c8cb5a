"""Excerpts of held-out songs, and performances of their plans."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from .features import Setting, excerpt, features
from .layout import LATENT_SECONDS
from .library import Library, Song
from .midi import Performance
from .network import Composer
from .playing import Plan, Player
from .sampling import Sampling
from .stepping import Stepper
from .view import View

SECONDS = 41.0
"""Length of an excerpt in seconds; the first four seconds and the last one are not measured."""
POSITION, OTHER_POSITION = 0.25, 0.75
"""Relative position of an excerpt in its song, and of a second excerpt for comparing real music with itself."""
MAX_ROWS = 27
"""Maximum number of excerpts played in one batch."""


@dataclass(frozen=True)
class Excerpt:
    """A passage of a song with chords, beats and pedal."""

    song: Song
    view: View

    @property
    def setting(self) -> Setting:
        """The beats and chords of the passage."""
        return Setting.of(self.song, self.view)

    def performance(self) -> Performance:
        """Returns the passage as it is played in the song."""
        start, seconds = self.view.start, self.view.latents * LATENT_SECONDS
        return excerpt(self.song.performance, start, start + seconds, start)

    def measure(self, performance: Performance) -> dict[str, float]:
        """Returns the features of a performance in this setting."""
        return features(performance, self.setting, 4.0, self.view.latents * LATENT_SECONDS - 1.0)


def load_average(path: Path) -> Composer:
    """Loads a composer with the averaged weights of a checkpoint."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Composer()
    net.load_state_dict(saved["average"])
    return net.eval().requires_grad_(False)


def choose_excerpts(
    library: Library, position: float = POSITION, seconds: float = SECONDS, count: int | None = None
) -> list[Excerpt]:
    """Returns at most `count` excerpts, one from each held-out song that is long enough and has chords and pedal."""
    chosen = []
    for song in (song for split in ("valid", "test") for song in library.split(split)):
        spare = song.end - song.start - seconds
        if len(song.chords) and len(song.performance.pedal_times) and spare > 8:
            start = song.start + position * spare
            view = View(start=start, latents=int(np.ceil(seconds / LATENT_SECONDS)), half_window=4.0, no_history=True)
            chosen.append(Excerpt(song, view))
    return chosen[:count]


def play(
    net: Composer,
    library: Library,
    chosen: list[Excerpt],
    sampling: Sampling,
    seed: int = 0,
    change: Callable[[Plan], None] | None = None,
    without_memory: bool = False,
) -> list[Performance]:
    """Plays the plans of excerpts, with an empty memory if `without_memory`; `change` may modify each plan first."""
    performances = []
    for first in range(0, len(chosen), MAX_ROWS):
        plans = [Plan.of(e.song, e.view, library.labeller) for e in chosen[first : first + MAX_ROWS]]
        for plan in plans:
            if change:
                change(plan)
        stepper = Stepper.of(net, len(plans) * (1 if sampling.guidance == 1 else 2))
        player = Player(stepper, plans, sampling, seed + first)
        player.without_memory = without_memory
        performances += player.play()
    return performances


def leave_unspecified(*groups: str) -> Callable[[Plan], None]:
    """Returns a function that makes these groups of a plan's conditions unspecified."""

    def change(plan: Plan) -> None:
        for group in groups:
            plan.conditions.clear(group)

    return change


def recall(strength: float | None) -> Callable[[Plan], None]:
    """Returns a function that sets the requested similarity to recalled bars, or disables recall if `None`."""

    def change(plan: Plan) -> None:
        if strength is None:
            plan.conditions.clear("recall")
            plan.form = replace(plan.form, source=np.full_like(plan.form.source, -1))
        else:
            known = ~np.isnan(plan.requested("recall"))
            plan.conditions.set("recall", np.full(len(known), strength), known)

    return change
