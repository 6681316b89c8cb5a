"""Excerpts of held-out songs, and performances of their plans."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from .features import Setting, excerpt, features
from .layout import FRAME
from .library import Library, Song
from .midi import Performance
from .network import Composer
from .playing import Plan, Player
from .sampling import Sampling
from .stepping import Stepper
from .view import View

SECONDS = 41.0
"""Length of an excerpt; the first four seconds, and everything after forty, are not measured."""
PLACE, OTHER_PLACE = 0.25, 0.75
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
        start, seconds = self.view.start, self.view.frames * FRAME
        return excerpt(self.song.performance, start, start + seconds, start)

    def measure(self, performance: Performance) -> dict[str, float]:
        """The features of a performance in this setting."""
        return features(performance, self.setting, 4.0, self.view.frames * FRAME - 1.0)


def load_average(path: Path) -> Composer:
    """The averaged weights of a checkpoint, ready for use."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Composer()
    net.load_state_dict(saved["average"])
    return net.eval().requires_grad_(False)


def choose_excerpts(
    library: Library, place: float = PLACE, seconds: float = SECONDS, count: int | None = None
) -> list[Excerpt]:
    """One excerpt of each held-out song that is long enough, at most `count`."""
    chosen = []
    for song in (song for split in ("valid", "test") for song in library.split(split)):
        spare = song.end - song.start - seconds
        if len(song.chords) and len(song.performance.pedal_times) and spare > 8:
            start = song.start + place * spare
            view = View(start=start, frames=int(np.ceil(seconds / FRAME)), reach=4.0, fresh=True)
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
    """Plays the plans of excerpts; `change` may alter the plans."""
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
    """A change of plans that makes groups of conditions unspecified."""

    def change(plan: Plan) -> None:
        for group in groups:
            plan.conditions.free(group)

    return change


def recall(strength: float | None) -> Callable[[Plan], None]:
    """A change of plans that sets the similarity of recalled bars, or disables recall."""

    def change(plan: Plan) -> None:
        if strength is None:
            plan.conditions.free("recall")
            plan.form = replace(plan.form, source=np.full_like(plan.form.source, -1))
        else:
            known = plan.requested("recall") == plan.requested("recall")
            plan.conditions.set("recall", np.full(len(known), strength), known)

    return change
