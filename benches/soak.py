"""Plays for a long time while parameters change: soak.py MELOS [MINUTES] [SPEED]

Counts losses, and samples and plots memory, files, threads and descriptors. Fails if anything grew unexpectedly: the control log
may grow with the messages sent, the event log with events, the recordings by the automatic take, and the checkpoints up to their
limit, but memory and everything else must not grow after a warm-up. Plays under JACK in real time, or, with SPEED, without a
sound device and with a clock that runs SPEED times as fast (support/fast_clock.c): `soak.py MELOS 480 6` plays a night in 80
minutes on most of a core.
"""

import collections
import contextlib
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

from pythonosc.udp_client import SimpleUDPClient

import report
import plot
from testbed import OSC, daemon, jack_server, memory_mb, status, wait_until_ready

ROOT = pathlib.Path(__file__).resolve().parent.parent
PERIOD = 1024
COUNTERS = ("xruns", "device_losses", "starvations", "late_splices", "late_commands", "generator_failures")
EMOTIONS = ("calm", "happy", "sad", "angry", "mysterious", "romantic", "energetic", "nostalgic")
# Number of samples in a run, minimum seconds between two samples, and minutes until memory use has settled.
SAMPLES, MIN_INTERVAL, WARM_UP = 240, 5, 10
# Tolerated unexplained growth, in megabytes of memory and of files.
MEMORY_MB, FILES_MB = 8, 0.1
CHECKPOINTS_MB = 1024
CONFIG = f"[control_log]\ncheckpoints_mb = {CHECKPOINTS_MB}\n"


class Clock:
    """The clock that the daemon sees."""

    def __init__(self, speed):
        self.speed, self.started = speed, time.monotonic()

    def minutes(self):
        return (time.monotonic() - self.started) * self.speed / 60

    def sleep(self, seconds):
        time.sleep(seconds / self.speed)


def sample(process, state, clock):
    """Returns the minutes since the start, resident memory and the sizes of files in megabytes, and the numbers of threads and descriptors."""
    # List the files only once, so that a file created in the meantime is not counted only in the total.
    sizes = {}
    for file in state.glob("**/*"):
        with contextlib.suppress(FileNotFoundError):
            sizes[file] = file.stat().st_size if file.is_file() else 0
    size = lambda pattern: sum(bytes for file, bytes in sizes.items() if file.match(pattern)) / 1e6
    logs = {"control log": size("session*.log"), "event log": size("events.log*"), "checkpoints": size("session*.checkpoints/*"), "recordings": size("recordings/*")}
    proc = pathlib.Path(f"/proc/{process.pid}")
    return {
        "minute": clock.minutes(), "memory": memory_mb(process)[0], **logs, "other files": size("*") - sum(logs.values()),
        "threads": len(list((proc / "task").iterdir())), "descriptors": len(list((proc / "fd").iterdir())),
    }


def steer(minutes, clock, process, state):
    """Changes parameters until the time is up; returns the samples and the number of messages sent."""
    osc, samples, sent, pause = SimpleUDPClient("127.0.0.1", OSC), [], 0, max(MIN_INTERVAL / 60, minutes / SAMPLES)
    while clock.minutes() < minutes:
        osc.send_message(f"/melos/emotion/{random.choice(EMOTIONS)}", random.random())
        osc.send_message("/melos/temperature", random.uniform(0.5, 1.3))
        osc.send_message("/melos/reverb", random.random())
        sent += 3
        clock.sleep(random.uniform(1, 5))
        if not samples or clock.minutes() >= samples[-1]["minute"] + pause:
            samples.append(sample(process, state, clock))
    samples.append(sample(process, state, clock))
    return samples, sent


def count_lines(state):
    """Counts the lines of the control logs: messages together, and the daemon's own entries, such as splices, by name."""
    words = [line.split()[1] for log in state.glob("session*.log") for line in log.read_text().splitlines() if line[:1].isdigit()]
    return collections.Counter("messages" if word.startswith("/melos/") else word for word in words)


def measure_growth(samples, sent, lines):
    """Returns the growth of everything sampled, and a list of everything that grew unexpectedly."""
    first, last = samples[0], samples[-1]
    warm = [sample for sample in samples if sample["minute"] >= min(WARM_UP, last["minute"] / 2)]
    thirds = [statistics.median(sample["memory"] for sample in part) for part in (warm[: max(1, len(warm) // 3)], warm[-max(1, len(warm) // 3) :])]
    growth = {
        "control log": last["control log"] - first["control log"], "lines": lines, "sent": sent,
        "event log": last["event log"] - first["event log"], "checkpoints": last["checkpoints"], "recordings": last["recordings"], "other files": last["other files"] - first["other files"],
        "memory": thirds[1] - thirds[0],
        "threads": last["threads"] - warm[0]["threads"], "descriptors": last["descriptors"] - warm[0]["descriptors"],
    }
    unexpected = [name for name, limit in (("memory", MEMORY_MB), ("other files", FILES_MB), ("threads", 0), ("descriptors", 0)) if growth[name] > limit]
    unexpected += ["checkpoints"] if growth["checkpoints"] > 1.05 * CHECKPOINTS_MB else []
    unexpected += [f"{count} lines ({name}) in the control log for {sent} messages" for name, count in lines.items() if count > sent]
    return growth, unexpected


@contextlib.contextmanager
def play_at(speed):
    """Yields the arguments and the environment with which the daemon plays at a speed, and whether the JACK server has real-time scheduling."""
    if speed == 1:
        with jack_server("melos-soak", PERIOD) as realtime:
            yield ["--audio", "jack"], {}, realtime
        return
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/fast_clock.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "benches/support/fast_clock.c", "-ldl"], check=True)
        yield ["--audio", "null", "--block", str(PERIOD)], {"LD_PRELOAD": library, "FAST_CLOCK_SPEED": str(speed)}, False


def soak(melos, minutes, speed):
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder, play_at(speed) as (arguments, environment, realtime):
        state, config = pathlib.Path(folder, "state"), pathlib.Path(folder, "melos.toml")
        config.write_text(CONFIG)
        arguments = [*arguments, "--preset", "calm", "--config", str(config)]
        with daemon(melos, *arguments, environment=environment, state=state) as process:
            wait_until_ready()
            time.sleep(2)
            clock, begin, initial_lines = Clock(speed), status(), count_lines(state)
            samples, sent = steer(minutes, clock, process, state)
            time.sleep(2)
            end, logged, peak = status(), count_lines(state) - initial_lines, memory_mb(process)[1]
    plot.soak(samples, ROOT / f"docs/{section_of(speed)}.svg")
    growth, unexpected = measure_growth(samples, sent, logged)
    return {
        "minutes": round((end["seconds"] - begin["seconds"]) / 60, 1),
        "speed": speed,
        "period": PERIOD,
        "realtime": realtime,
        "counters": {
            **{name: end["losses"][name] - begin["losses"][name] for name in COUNTERS},
            "starved_seconds": end["starved_seconds"] - begin["starved_seconds"],
        },
        "memory": [samples[0]["memory"], samples[-1]["memory"], peak],
        "load": end["load"], "grown": growth, "wrong": unexpected,
    }


def section_of(speed):
    """Returns the name of the section for results measured at a speed."""
    return "soak" if speed == 1 else "night"


if __name__ == "__main__":
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    speed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    conditions = report.conditions()
    measurements = soak(sys.argv[1], minutes, speed)
    report.store(section_of(speed), measurements, conditions)
    if measurements["wrong"]:
        raise SystemExit(f"grew unexpectedly: {'; '.join(measurements['wrong'])}")
