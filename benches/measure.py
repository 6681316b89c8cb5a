"""Runs the benchmarks in BENCHMARKS.md: measure.py MELOS [SECTION ...]

Sections: chain, render, start, latency, phase, seams, page, growth; all by default. `peers` and `versions` run only on request, because
they need what the Makefile creates. Soak, night, flood, faults and week are measured by their own programs.
"""

import json
import pathlib
import subprocess
import sys

import report
from cost import EMOTIONS, playing_cost, render_cost, start_seconds
from growth import growth
from latency import latencies
from page import page
from peers import peers
from phase import phase
from versions import versions

ROOT = pathlib.Path(__file__).parent.parent


def chain(_):
    """Returns the mean time of each engine and generator benchmark, in nanoseconds."""
    subprocess.run(["cargo", "bench", "--locked", "--bench", "engine", "--bench", "chain"], cwd=ROOT, check=True)
    results = {}
    for estimates in sorted((ROOT / "target/criterion").glob("*/*/new/estimates.json")):
        group, name = estimates.parts[-4:-2]
        results[f"{group}: {name}"] = json.loads(estimates.read_text())["mean"]["point_estimate"]
    return results


def render(melos):
    """Returns the cost of `melos render` for three emotions."""
    return {emotion: render_cost(melos, emotion) for emotion in EMOTIONS}


def start(melos):
    """Returns the seconds that Melos, with warm file caches, takes to play; and its current and peak memory after a minute, in megabytes."""
    # The first start is left out, because it may have read files from the disk.
    seconds = [start_seconds(melos) for _ in range(6)][1:]
    return {"seconds": seconds, "memory": playing_cost(melos)["memory"]}


def latency(melos):
    """Returns the milliseconds from message to sound, by change and period."""
    (result,) = latencies([melos], {"fast": 100, "fast, MIDI": 60, "mood": 40, "chord, network": 40, "chord, harmony": 40, "played note": 40})
    return result


def seams(_):
    """Returns the table printed by the seams benchmark."""
    completed = subprocess.run(["cargo", "bench", "--locked", "--bench", "seams"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [line for line in completed.stdout.decode().splitlines() if line.startswith("|")]


SECTIONS = {"chain": chain, "render": render, "start": start, "latency": latency, "phase": phase, "seams": seams, "page": page, "growth": growth}
ON_REQUEST = {"peers": peers, "versions": versions}

if __name__ == "__main__":
    for name in sys.argv[2:] or SECTIONS:
        print(f"measuring: {name}", flush=True)
        conditions = report.conditions()
        report.store(name, (SECTIONS | ON_REQUEST)[name](sys.argv[1]), conditions)
