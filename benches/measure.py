"""Runs the benchmarks in BENCHMARKS.md: measure.py MELOS [SECTION ...]

Sections: chain, render, start, latency, phase, seams, page, growth; all by default. `peers` runs only on request, because it needs
environments that the Makefile creates. Soak, night, flood, faults and week are measured by their own programs.
"""

import datetime
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import report
from growth import growth
from latency import latencies
from page import page
from peers import peers
from phase import phase
from testbed import daemon, memory_mb, wait_until_ready

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
    """Returns the time and processor time that `melos render` takes per second of music, and its peak memory in megabytes, for three emotions."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for emotion in ("calm", "angry", "energetic"):
            started = time.monotonic()
            command = [melos, "render", "--emotion", emotion, "--seconds", "60", "-o", f"{folder}/x.wav"]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _, code, usage = os.wait4(process.pid, 0)
            assert code == 0
            wall = (time.monotonic() - started) / 60
            results[emotion] = {"wall": wall, "cpu": (usage.ru_utime + usage.ru_stime) / 60, "memory": usage.ru_maxrss / 1000}
    return results


def start(melos):
    """Returns the seconds that Melos, with warm file caches, takes to play, which is when it reports that it is ready; and its current and
    peak memory after a minute, in megabytes."""
    seconds = []
    for _ in range(6):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.bind(f"{folder}/notify")
            started = time.monotonic()
            with daemon(melos, "--audio", "null", environment={"NOTIFY_SOCKET": f"{folder}/notify"}):
                while b"READY=1" not in notifications.recv(4096):
                    pass
                seconds.append(time.monotonic() - started)
    with daemon(melos, "--audio", "null") as process:
        wait_until_ready()
        time.sleep(60)
        memory = memory_mb(process)
    # The first start is left out, because it may have read files from the disk.
    return {"seconds": seconds[1:], "memory": memory}


def latency(melos):
    """Returns the milliseconds from message to sound, by change and period."""
    return latencies(melos, {"fast": 100, "fast, MIDI": 60, "mood": 40, "chord, network": 40, "chord, harmony": 40, "played note": 40})


def seams(_):
    """Returns the table printed by the seams benchmark."""
    completed = subprocess.run(["cargo", "bench", "--locked", "--bench", "seams"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [line for line in completed.stdout.decode().splitlines() if line.startswith("|")]


SECTIONS = {"chain": chain, "render": render, "start": start, "latency": latency, "phase": phase, "seams": seams, "page": page, "growth": growth}
ON_REQUEST = {"peers": peers}

if __name__ == "__main__":
    for name in sys.argv[2:] or SECTIONS:
        print(f"measuring: {name}", flush=True)
        report.store(name, (SECTIONS | ON_REQUEST)[name](sys.argv[1]), datetime.datetime.now())
