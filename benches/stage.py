"""A JACK server with the dummy driver, a running Melos, and a recording of it, for benchmarks.

Where permitted, melos runs at the nice level that systemd/melos.service sets, -10.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np

RATE = 48_000


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


OSC, HTTP = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
TICK = os.sysconf("SC_CLK_TCK")
# Without permission, `nice` continues and prints nothing to standard output.
NICE = ["nice", "-n", "-10"]


@contextlib.contextmanager
def jack_server(name, period, *options):
    """Runs a server with a name and a period in frames that programs started by this process use; options are passed to jackd.
    Yields whether it has real-time scheduling."""
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
def daemon(melos, *arguments, environment=None, midi="off", state=None):
    """Runs Melos for the duration of the context, with a new state folder unless one is given; yields the process."""
    with tempfile.TemporaryDirectory() as own:
        process = subprocess.Popen(
            [*NICE, melos, "run", "--osc", f"127.0.0.1:{OSC}", "--http", str(HTTP), "--midi", midi, "--state", state or own, *arguments],
            stderr=subprocess.DEVNULL, env=os.environ | (environment or {}),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def status():
    """Returns the daemon's status, or None if it does not respond."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/status", timeout=2) as response:
            found = json.load(response)
            return found if found["state"] else None
    except OSError:
        return None


def wait_until_it_plays():
    while status() is None:
        time.sleep(0.1)


def processor_seconds(process, task=None):
    """Returns the processor time that a process, or one of its threads, has used."""
    place = f"/proc/{process.pid}/task/{task}/stat" if task else f"/proc/{process.pid}/stat"
    fields = open(place).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(process):
    """Returns the current and peak resident memory of a process in megabytes, without the segments that a JACK server shares with
    all of its clients: about 100 MB, however many there are."""
    with open(f"/proc/{process.pid}/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    current, peak, shared = (int(fields[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM", "RssShmem"))
    return [current - shared, peak - shared]


# Periods by which the sound may come later or earlier after Melos missed a deadline; the likelier first.
SHIFTS = sorted(range(-8, 9), key=abs)


class Listener:
    """Records the output of Melos while used as a context. Periods that the listener itself did not get in time are NaN in
    `heard`, at their place by the frame time of the server."""

    def __enter__(self):
        import jack

        # The callback must get the interpreter lock well within a period.
        sys.setswitchinterval(0.0002)
        wait_until_it_plays()
        self.blocks, self.times = [], []
        self.client = jack.Client("listener", no_start_server=True)
        port = self.client.inports.register("in")

        @self.client.set_process_callback
        def process(_):
            self.times.append(self.client.last_frame_time)
            self.blocks.append(port.get_array().copy())

        self.client.activate()
        self.client.connect("melos-audio:left", port)
        time.sleep(1.5)
        return self

    def __exit__(self, *_):
        time.sleep(1.5)
        self.client.deactivate()
        self.client.close()
        self.first, period = self.times[0], len(self.blocks[0])
        self.heard = np.full(self.times[-1] - self.first + period, np.nan, np.float32)
        for moment, block in zip(self.times, self.blocks, strict=True):
            self.heard[moment - self.first :][:period] = block

    def now(self):
        """Returns the current time in frames of the JACK server."""
        return self.client.frame_time

    def place(self, full):
        """Returns the frame of the performance at which the recording starts, found by an exact match."""
        for begin in range(RATE // 2, len(self.heard) - 2000, RATE):
            probe = self.heard[begin : begin + 2000]
            for at in begin + np.flatnonzero(full[begin:] == probe[0]):
                if np.array_equal(full[at : at + 2000], probe):
                    return at - begin
        raise SystemExit("no part of the recording matches the rendered log: the machine is too busy for real-time playback")

    def compare(self, full):
        """Compares every recorded period with the render. When Melos misses the server's deadline, the previous period is heard
        again, and what follows comes a period later or catches up: the comparison goes on from there."""
        period = len(self.blocks[0])
        shift = self.place(full) - self.first
        self.shifts = [(self.first, shift)]
        found = {"periods": len(self.blocks), "astray": 0, "skipped": 0}
        found["missed"] = len(self.heard) // period - len(self.blocks)
        for moment, block in zip(self.times, self.blocks, strict=True):
            late = next((late for late in SHIFTS if is_at(full, moment + shift - late * period, block)), None)
            if late is None:
                found["astray"] += 1
            elif late != 0:
                shift -= late * period
                found["skipped"] += abs(late)
                self.shifts.append((moment, shift))
        return found

    def frame(self, moment):
        """Returns the frame of the performance that is heard at a time of the server; call after `compare`."""
        return moment + [shift for since, shift in self.shifts if since <= moment][-1]


def is_at(full, frame, block):
    """Whether a render, silent before its start and after its end, has this block at a frame."""
    rendered = full[max(frame, 0) : frame + len(block)] if frame + len(block) > 0 else full[:0]
    return np.array_equal(rendered, block) if len(rendered) == len(block) else not block.any()


def render(melos, log, folder, seconds=None):
    """Renders a control log, entirely or up to some seconds, and returns the left channel."""
    path = f"{folder}/render.wav"
    length = ["--seconds", str(seconds)] if seconds else []
    command = [melos, "render", "--control-log", log, *length, "--bits", "32", "-o", path]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    data = open(path, "rb").read()
    at = data.index(b"data") + 8
    return np.frombuffer(data[at : at + (len(data) - at) // 8 * 8], "<f4").reshape(-1, 2)[:, 0]
