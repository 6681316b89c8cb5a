"""Compares another version of Melos, MELOS_OLD, with this one: both run alternately on the same machine."""

import os

from cost import EMOTIONS, playing_cost, render_cost, start_seconds
from latency import latencies

STARTS, RENDERS, PLAYS = 8, 3, 3
# The messages of each kind. The other version may not know the newer kinds.
CHANGES = {"fast": 60, "fast, MIDI": 40, "mood": 30, "chord, network": 24, "chord, harmony": 24}


def versions(melos):
    """Returns the name of the other version, and for each measure the values of the other version and of this one."""
    programs = [os.environ["MELOS_OLD"], melos]

    def alternate(count, measure):
        rounds = [[measure(program) for program in programs] for _ in range(count)]
        return [list(values) for values in zip(*rounds)]

    costs = {"time to first sound": alternate(STARTS, start_seconds)}
    for emotion in EMOTIONS:
        rendered = alternate(RENDERS, lambda program: render_cost(program, emotion))
        costs[f"render, {emotion}"] = [[run["cpu"] for run in runs] for runs in rendered]
    played = alternate(PLAYS, playing_cost)
    costs["processor time while playing"] = [[run["cpu"] for run in runs] for runs in played]
    costs["peak memory while playing"] = [[run["memory"][1] for run in runs] for runs in played]
    return {"old": os.environ["MELOS_OLD_VERSION"], "costs": costs, "latencies": latencies(programs, CHANGES)}
