"""Measures the cost of the page: bytes and seconds of its first load, and the daemon's processor time with and without the page."""

import os
import pathlib
import statistics
import sys
import time

from stage import HTTP, daemon, wait_until_it_plays

sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests/browser"))
TICK = os.sysconf("SC_CLK_TCK")
LOADS = 5
# Seconds per measurement, and number of alternations between an open page and none.
MEASURED, TURNS = 30, 3


def cores(process, seconds):
    """Returns the share of a core that a process uses over some seconds, excluding its generator, which works ahead at its own pace."""
    def used():
        total = 0
        for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            try:
                name, fields = (task / "comm").read_text().strip(), (task / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            # The kernel truncates names to 15 bytes.
            if not name.startswith("melos-generato"):
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    before, begun = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - begun)


def page(melos):
    from harness import Browser, Daemon, view

    with daemon(melos, "--audio", "null") as process, Browser() as browser:
        wait_until_it_plays()
        served = Daemon(HTTP)
        loads = [browser.first_load(served, "laptop") for _ in range(LOADS)]
        without, opened = [], {"play": [], "mix": [], "setup": []}
        for _ in range(TURNS):
            without.append(cores(process, MEASURED))
            tab = browser.open(served, "laptop")
            for name, measured in opened.items():
                view(tab, name)
                time.sleep(1)
                measured.append(cores(process, MEASURED))
            tab.context.close()
            time.sleep(1)
    return {
        "bytes": max(size for size, _ in loads), "ready": [ready for _, ready in loads], "without": statistics.median(without),
        "open": {name: statistics.median(measured) for name, measured in opened.items()}, "seconds": MEASURED,
    }
