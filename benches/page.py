"""Measures the cost of the page: the size and duration of its first load, and the daemon's processor time with and without it."""

import contextlib
import pathlib
import statistics
import sys
import time

from testbed import HTTP, daemon, processor_seconds, wait_until_ready

sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests/browser"))
LOADS = 5
# Seconds per measurement, and number of rounds, each without and with the page.
MEASURED_SECONDS, ROUNDS = 30, 3


def processor_times(process):
    """Returns the processor time in seconds of a process's generator, which works ahead at its own pace, and of everything else."""
    generator = 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        # A thread may end in the meantime.
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().startswith("melos-generator"):
                generator += processor_seconds(process, task.name)
    return {"generator": generator, "other": processor_seconds(process) - generator}


def cores_used(process, seconds):
    """Returns the share of a core that a process uses over `seconds` seconds, excluding its generator."""
    before, started = processor_times(process)["other"], time.monotonic()
    time.sleep(seconds)
    return (processor_times(process)["other"] - before) / (time.monotonic() - started)


def page(melos):
    """Returns the size and time of the first load, and the share of a core that the daemon uses without the page and with each of three views
    open."""
    from harness import Browser, Daemon, view

    with daemon(melos, "--audio", "null") as process, Browser() as browser:
        wait_until_ready()
        served = Daemon(HTTP)
        loads = [browser.first_load(served, "laptop") for _ in range(LOADS)]
        without_page, with_page = [], {"play": [], "mix": [], "setup": []}
        for _ in range(ROUNDS):
            without_page.append(cores_used(process, MEASURED_SECONDS))
            tab = browser.open(served, "laptop")
            for name, measured in with_page.items():
                view(tab, name)
                time.sleep(1)
                measured.append(cores_used(process, MEASURED_SECONDS))
            tab.context.close()
            time.sleep(1)
    return {
        "bytes": max(size for size, _ in loads), "ready": [ready for _, ready in loads], "without": statistics.median(without_page),
        "open": {name: statistics.median(measured) for name, measured in with_page.items()}, "seconds": MEASURED_SECONDS,
    }
