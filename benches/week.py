"""Simulates a week of an installation at many times real-time speed: week.py MELOS [SPEED] [DAYS]

The daemon runs unmodified, but with an accelerated clock (support/fast_clock.c) and a tiny model, because the shipped one cannot
keep up. From Tuesday to Sunday, the installation is open from 14:00 to 18:00 by its own schedule; the nights are skipped by setting
the wall clock forward. While it is open, four sensors send two values a second each, and a ten-minute take is recorded every hour.
On Thursday night, the daemon is restarted, as if for an upgrade. Memory and disk use are plotted in docs/week.svg and added to BENCHMARKS.md.
"""

import contextlib
import datetime
import json
import mmap
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from zoneinfo import ZoneInfo

from pythonosc.udp_client import SimpleUDPClient

import report
import plot
from testbed import HTTP, OSC, memory_mb

ROOT = pathlib.Path(__file__).resolve().parent.parent
ZONE = ZoneInfo("Europe/Berlin")
MONDAY = datetime.datetime(2026, 11, 30, 13, 50, tzinfo=ZONE)
OPEN, CLOSE = datetime.time(14), datetime.time(18)
MARGIN = datetime.timedelta(minutes=10)
MAX_GB, MAX_DAYS = 1.0, 3
# In simulated seconds.
SENSOR_INTERVAL, TAKE_INTERVAL, TAKE_SECONDS, SAMPLE_INTERVAL = 0.5, 3600, 600, 300
SENSORS = ("valence", "arousal", "density", "tone")
# The words that identify a line of the log as each kind of event.
EVENTS = {
    "opened": ("opening hours begin:",), "closed": ("opening hours end:",), "stayed_closed": ("outside the opening hours:",),
    "deleted": ("deleted", "recording"),
}
CONFIGURATION = f"""
[schedule]
time_zone = "Europe/Berlin"
fade_in = 20
fade_out = 60

[[schedule.hours]]
days = ["tue", "wed", "thu", "fri", "sat", "sun"]
open = "{OPEN:%H:%M}"
close = "{CLOSE:%H:%M}"
preset = "slow-dawn"

[recordings]
max_gb = {MAX_GB}
when_full = "delete-oldest"
max_days = {MAX_DAYS}
"""


class Clock:
    """The clock that the daemon sees."""

    def __init__(self, file, speed):
        self.speed, self.steps, self.skipped = speed, 0, 0
        self.started = time.monotonic_ns()
        file.truncate(4096)
        self.shared = memoryview(mmap.mmap(file.fileno(), 4096)).cast("q")
        self.shared[1], self.shared[2] = self.started, int(MONDAY.timestamp() * 1e9)

    def now(self):
        elapsed = (time.monotonic_ns() - self.started) * self.speed / 1e9
        return datetime.datetime.fromtimestamp(MONDAY.timestamp() + elapsed + self.skipped, ZONE)

    def skip_to(self, moment):
        self.skipped += max(0, round((moment - self.now()).total_seconds()))
        self.shared[3 + 2 * self.steps], self.shared[4 + 2 * self.steps] = time.monotonic_ns(), self.skipped
        self.steps += 1
        # Increase the count last, so that the daemon never reads an incomplete entry.
        self.shared[0] = self.steps

    def sleep(self, seconds):
        time.sleep(seconds / self.speed)


class Daemon:
    """Melos running on the accelerated clock."""

    def __init__(self, melos, folder, clock, library):
        self.command = [
            melos, "run", "--data", ROOT, "--model", ROOT / "tests/fixtures/tiny-model", "--config", folder / "melos.toml", "--state",
            folder / "state", "--audio", "null", "--midi", "off", "--block", "512", "--osc", f"127.0.0.1:{OSC}", "--http", str(HTTP),
        ]
        self.environment = os.environ | {"LD_PRELOAD": str(library), "FAST_CLOCK": str(folder / "clock"), "FAST_CLOCK_SPEED": str(clock.speed)}
        self.state, self.clock = folder / "state", clock
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL, env=self.environment)
        while not self.get("/status")["state"]:
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def get(self, path):
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}{path}", timeout=10) as response:
                    return json.load(response)
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{path}: no response")

    def sample(self):
        """Returns the days since Monday, and the resident memory and the sizes of the state folder's contents in megabytes."""

        def size(pattern):
            total = 0
            for file in self.state.glob(pattern):
                # The daemon may rename or delete a file meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    total += file.stat().st_size if file.is_file() else 0
            return total / 1e6

        return {
            "day": (self.clock.now() - MONDAY.replace(hour=0, minute=0)).total_seconds() / 86_400,
            "memory": memory_mb(self.process)[0],
            "recordings": size("recordings/*"),
            "control logs": size("*session*.log"),
            "event log": size("events.log*"),
            "everything": size("**/*"),
        }


def simulate_day(daemon, clock, rng, samples, sent):
    """Simulates sensors and takes from ten minutes before opening until ten minutes after closing."""
    osc = SimpleUDPClient("127.0.0.1", OSC)
    values = dict.fromkeys(SENSORS, 0.0)
    started, sampled, recording = clock.now(), None, False
    end = started.replace(hour=CLOSE.hour if started.weekday() else OPEN.hour, minute=0, second=0) + MARGIN
    while clock.now() < end:
        now = clock.now()
        is_open = OPEN <= now.time() < CLOSE and now.weekday() != 0
        if is_open:
            for sensor in SENSORS:
                values[sensor] = max(-1.0, min(1.0, values[sensor] + rng.gauss(0, 0.03)))
                osc.send_message(f"/melos/{sensor}", values[sensor])
                sent[0] += 1
        should_record = is_open and (now - started).total_seconds() % TAKE_INTERVAL < TAKE_SECONDS
        if should_record != recording:
            osc.send_message("/melos/record", int(should_record))
            recording = should_record
        if sampled is None or (now - sampled).total_seconds() > SAMPLE_INTERVAL:
            samples.append(daemon.sample())
            sampled = now
        clock.sleep(SENSOR_INTERVAL)


def week(melos, speed, days):
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        folder = pathlib.Path(folder)
        library = folder / "fast_clock.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "benches/support/fast_clock.c", "-ldl"], check=True)
        (folder / "melos.toml").write_text(CONFIGURATION)
        rng, samples, sent, losses, played, counts = random.Random(1), [], [0], {}, 0.0, dict.fromkeys(EVENTS, 0)
        started = time.monotonic()
        with open(folder / "clock", "w+b") as file:
            clock = Clock(file, speed)
            daemon = Daemon(melos, folder, clock, library)

            def count_status():
                nonlocal played
                status = daemon.get("/status")
                played += status["seconds"]
                for name, count in status["losses"].items():
                    losses[name] = losses.get(name, 0) + count
                return status

            for day in range(days):
                opening = MONDAY + datetime.timedelta(days=day)
                if day:
                    clock.skip_to(opening)
                simulate_day(daemon, clock, rng, samples, sent)
                # Count events daily, because one request returns a limited number of lines.
                lines = [line["text"] for line in daemon.get(f"/log?since={int(opening.timestamp())}")["lines"]]
                for event, words in EVENTS.items():
                    counts[event] += sum(all(word in line for word in words) for line in lines)
                print(f"{clock.now():%a %H:%M}  {samples[-1]}", flush=True)
                if day == 3:
                    before = count_status()["parameters"]
                    daemon.stop()
                    daemon.start()
                    after = daemon.get("/status")["parameters"]
                    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
                    if changed.keys() & {*SENSORS, "preset", "emotion"}:
                        raise SystemExit(f"the restart changed {changed}")
            status = count_status()
            elapsed = time.monotonic() - started
            daemon.stop()
        measurements = {
            "speed": speed, "days": days, "minutes": elapsed / 60, "played_hours": played / 3600, "events": sent[0], **counts, "troubles": status["troubles"],
            "panics": losses["panics"],
            "failed_takes": losses["failed_takes"], "samples": samples,
        }
    open_days = sum((MONDAY + datetime.timedelta(days=day)).weekday() != 0 for day in range(days))
    # A take may start while the recordings are just below the limit.
    max_mb = 1000 * MAX_GB + 2 * TAKE_SECONDS * 48_000 * 6 / 1e6
    checks = {
        "the installation opened every day except Monday": measurements["opened"] == open_days,
        "the installation closed on each of those days": measurements["closed"] == open_days,
        "the installation was closed at the start": measurements["stayed_closed"] == 1,
        "recordings stay within their limit": max(sample["recordings"] for sample in samples) < max_mb,
        "old recordings were deleted to make room": days < 3 or measurements["deleted"] > 0,
        "no take failed, nothing panicked, and no troubles remain": not (measurements["panics"] or measurements["failed_takes"] or measurements["troubles"]),
    }
    plot.week(samples, MAX_GB, ROOT / "docs/week.svg")
    for check, passed in checks.items():
        print(f"{'ok  ' if passed else 'FAILED'} {check}", flush=True)
    if not all(checks.values()):
        raise SystemExit(json.dumps({name: value for name, value in measurements.items() if name != "samples"}))
    return measurements


if __name__ == "__main__":
    speed = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    days = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    conditions = report.conditions()
    report.store("week", week(sys.argv[1], speed, days), conditions)
