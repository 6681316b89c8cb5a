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
"""Length of an excerpt; the first four seconds, and everything after forty, are not measured."""
POSITION, OTHER_POSITION = 0.25, 0.75
"""Relative position of an excerpt within its song, and of another for comparing real music with itself."""
ROWS = 27
"""Excerpts played in one batch."""


@dataclass(frozen=True)
class Excerpt:
    """A passage of a song that has chords, beats and pedal."""

    song: Song
    view: View

    @property
    def setting(self) -> Setting:
        """The plan's beats and chords."""
        return Setting.of(self.song, self.view)

    def performance(self) -> Performance:
        """The song itself."""
        start, seconds = self.view.start, self.view.frames * LATENT_SECONDS
        return excerpt(self.song.performance, start, start + seconds, start)

    def measure(self, performance: Performance) -> dict[str, float]:
        """The features of a performance in this setting."""
        return features(performance, self.setting, 4.0, self.view.frames * LATENT_SECONDS - 1.0)


def load_average(path: Path) -> Composer:
    """Loads a composer with the averaged weights of a checkpoint."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Composer()
    net.load_state_dict(saved["average"])
    return net.eval().requires_grad_(False)


def choose_excerpts(
    library: Library, position: float = POSITION, seconds: float = SECONDS, count: int | None = None
) -> list[Excerpt]:
    """One excerpt of each held-out song that is long enough, at most `count`."""
    chosen = []
    for song in (song for split in ("valid", "test") for song in library.split(split)):
        spare = song.end - song.start - seconds
        if len(song.chords) and len(song.performance.pedal_times) and spare > 8:
            start = song.start + position * spare
            view = View(start=start, frames=int(np.ceil(seconds / LATENT_SECONDS)), reach=4.0, fresh=True)
            chosen.append(Excerpt(song, view))
    return chosen[:count]


def play(
    net: Composer,
    library: Library,
    chosen: list[Excerpt],
    sampling: Sampling,
    seed: int = 0,
    change: Callable[[Plan], None] | None = None,
    forgetful: bool = False,
) -> list[Performance]:
    """Plays the plans of excerpts; `change` may modify the plans."""
    performances = []
    for first in range(0, len(chosen), ROWS):
        plans = [Plan.of(e.song, e.view, library.labeller) for e in chosen[first : first + ROWS]]
        for plan in plans:
            if change:
                change(plan)
        stepper = Stepper.of(net, len(plans) * (1 if sampling.guidance == 1 else 2))
        player = Player(stepper, plans, sampling, seed + first)
        player.forgetful = forgetful
        performances += player.play()
    return performances


def leave_free(*groups: str) -> Callable[[Plan], None]:
    """Returns a function that makes groups of a plan's conditions unspecified."""

    def change(plan: Plan) -> None:
        for group in groups:
            plan.conditions.free(group)

    return change


def recall(strength: float | None) -> Callable[[Plan], None]:
    """Returns a function that sets the similarity of a plan's recalled bars, or disables recall."""

    def change(plan: Plan) -> None:
        if strength is None:
            plan.conditions.free("recall")
            plan.form = replace(plan.form, source=np.full_like(plan.form.source, -1))
        else:
            known = plan.requested("recall") == plan.requested("recall")
            plan.conditions.set("recall", np.full(len(known), strength), known)

    return change
