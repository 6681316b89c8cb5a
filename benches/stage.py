"""A JACK server with the dummy driver, and a running melos, for the time of a measurement.

Where it is allowed, melos runs as nice as systemd/melos.service lets it: -10.
"""

import contextlib
import json
import os
import subprocess
import tempfile
import time
import urllib.request

RATE = 48_000
OSC, HTTP = 9123, 9124
# `nice` goes on without a word to standard output where it may not.
NICE = ["nice", "-n", "-10"]


@contextlib.contextmanager
def jack_server(name, period, *options):
    """Runs a server of that name with so many frames a period; programs of this process find it; options are jackd's. Gives whether it has
    real-time scheduling."""
    os.environ |= {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    realtime = subprocess.run(["chrt", "-f", "70", "true"], stderr=subprocess.DEVNULL).returncode == 0
    scheduling = ["-R", "-P", "70"] if realtime else ["-r"]
    server = subprocess.Popen(
        ["jackd", "-n", name, *scheduling, *options, "-d", "dummy", "-r", str(RATE), "-p", str(period)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    time.sleep(2)
    try:
        yield realtime
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def daemon(melos, *arguments, environment=None, midi="off"):
    """Runs melos with a new state folder until it is done with; gives the process."""
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [*NICE, melos, "run", "--osc", f"127.0.0.1:{OSC}", "--http", str(HTTP), "--midi", midi, "--state", state, *arguments],
            stderr=subprocess.DEVNULL, env=os.environ | (environment or {}),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def status():
    """What the daemon says about itself; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/status", timeout=2) as answer:
            found = json.load(answer)
            return found if found["state"] else None
    except OSError:
        return None


def wait_until_it_plays():
    while status() is None:
        time.sleep(0.1)


def memory_mb(process):
    """Resident memory of a process now and at its highest, in megabytes."""
    with open(f"/proc/{process.pid}/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return [int(fields[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM")]
