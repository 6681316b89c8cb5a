"""Runs Melos on a JACK server with the dummy driver and records its output, for the benchmarks.

Where permitted, Melos runs at nice level -10, as under systemd/melos.service.
"""

import contextlib
import json
import os
import pathlib
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
# Without permission, `nice` runs the command anyway and prints nothing to standard output.
NICE = ["nice", "-n", "-10"]


@contextlib.contextmanager
def jack_server(name, period, *options):
    """Runs a JACK server that this process and its children use by default; `period` is in frames, and `options` are
    passed to jackd. Yields whether it has real-time scheduling."""
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
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [*NICE, melos, "run", "--osc", f"127.0.0.1:{OSC}", "--http", str(HTTP), "--midi", midi, "--state", state or temporary, *arguments],
            stderr=subprocess.DEVNULL, env=os.environ | (environment or {}),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def status():
    """Returns the daemon's status, or None if it does not respond or is not ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/status", timeout=2) as response:
            content = json.load(response)
            return content if content["state"] else None
    except OSError:
        return None


def wait_until_ready():
    """Waits until the daemon reports its status."""
    while status() is None:
        time.sleep(0.1)


def processor_seconds(process, task=None):
    """Returns the processor time that a process, or one of its threads, has used."""
    path = f"/proc/{process.pid}/task/{task}/stat" if task else f"/proc/{process.pid}/stat"
    fields = open(path).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(process):
    """Returns the current and peak resident memory of a process in megabytes, without the memory that a JACK server shares with
    all of its clients, about 100 MB regardless of their number."""
    with open(f"/proc/{process.pid}/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    current, peak, shared = (int(fields[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM", "RssShmem"))
    return [current - shared, peak - shared]


# Numbers of periods by which the sound may be shifted after Melos has missed a deadline, most likely first.
SHIFTS = sorted(range(-8, 9), key=abs)


class Recorder:
    """A context manager that records the left output of Melos. Periods that the recorder missed are NaN in `recording`."""

    def __enter__(self):
        import jack

        # The callback must acquire the interpreter lock well within a period.
        sys.setswitchinterval(0.0002)
        wait_until_ready()
        self.blocks, self.times = [], []
        self.client = jack.Client("recorder", no_start_server=True)
        port = self.client.inports.register("in")

        @self.client.set_process_callback
        def process(_):
            self.times.append(self.client.last_frame_time)
            self.blocks.append(port.get_array().copy())

        self.client.activate()
        self.client.connect("melos-audio:left", port)
        time.sleep(0.5)
        # Periods before the connection are silent.
        connected = len(self.blocks)
        time.sleep(1)
        self.connected = connected
        return self

    def __exit__(self, *_):
        time.sleep(1.5)
        # The server may deliver silence while the client is being deactivated.
        kept = slice(self.connected, len(self.blocks))
        self.client.deactivate()
        self.client.close()
        self.blocks, self.times = self.blocks[kept], self.times[kept]
        self.first, period = self.times[0], len(self.blocks[0])
        self.recording = np.full(self.times[-1] - self.first + period, np.nan, np.float32)
        for frame_time, block in zip(self.times, self.blocks, strict=True):
            self.recording[frame_time - self.first :][:period] = block

    def now(self):
        """Returns the current time of the JACK server, in frames."""
        return self.client.frame_time

    def align(self, full):
        """Returns the frame of the performance at which the recording starts, found by an exact match."""
        for begin in range(RATE // 2, len(self.recording) - 2000, RATE):
            probe = self.recording[begin : begin + 2000]
            for frame in begin + np.flatnonzero(full[begin:] == probe[0]):
                if np.array_equal(full[frame : frame + 2000], probe):
                    return frame - begin
        raise SystemExit("no part of the recording matches the rendered log: the machine is too busy for real-time playback")

    def compare(self, full):
        """Compares every recorded period with the render; returns the numbers of periods that were recorded, that differ, that Melos
        skipped and that the recorder missed. When Melos misses the server's deadline, the previous period is repeated; what follows is
        then a period late until Melos catches up. The comparison continues with the new shift."""
        period = len(self.blocks[0])
        shift = self.align(full) - self.first
        self.shifts = [(self.first, shift)]
        counts = {"periods": len(self.blocks), "differing": 0, "skipped": 0}
        counts["missed"] = len(self.recording) // period - len(self.blocks)
        for frame_time, block in zip(self.times, self.blocks, strict=True):
            offset = next((offset for offset in SHIFTS if matches_at(full, frame_time + shift - offset * period, block)), None)
            if offset is None:
                counts["differing"] += 1
            elif offset != 0:
                shift -= offset * period
                counts["skipped"] += abs(offset)
                self.shifts.append((frame_time, shift))
        return counts

    def frame(self, frame_time):
        """Returns the frame of the performance that was played at a frame time of the server. Call `compare` first."""
        return frame_time + [shift for start, shift in self.shifts if start <= frame_time][-1]


def matches_at(full, frame, block):
    """Returns whether a render contains this block at a frame; a render is silent before its start and after its end."""
    rendered = full[max(frame, 0) : frame + len(block)] if frame + len(block) > 0 else full[:0]
    return np.array_equal(rendered, block) if len(rendered) == len(block) else not block.any()


def render(melos, log, folder, seconds=None):
    """Renders a control log, or its first `seconds`, and returns the left channel."""
    return render_frames(melos, log, folder, seconds, 32).view("<f4").reshape(-1, 2)[:, 0]


def render_frames(melos, log, folder, seconds, bits):
    """Renders a control log, or its first `seconds`, and returns the bytes of each frame."""
    path = f"{folder}/render.wav"
    length = ["--seconds", str(seconds)] if seconds else []
    command = [melos, "render", "--control-log", log, *length, "--bits", str(bits), "-o", path]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return wav_frames(path, bits)


def wav_frames(path, bits):
    """Returns the bytes of each frame of a stereo WAV file, as one row per frame."""
    data, size = pathlib.Path(path).read_bytes(), bits // 8 * 2
    start = data.index(b"data") + 8
    return np.frombuffer(data, np.uint8, (len(data) - start) // size * size, start).reshape(-1, size)


def compare_take(melos, log, folder, take, seconds):
    """Compares a take, which contains what Melos passed to the server, with the rendered control log; returns the number of
    frames compared and the number that differ."""
    played, rendered = wav_frames(take, 24), render_frames(melos, log, folder, seconds, 24)
    probe = played[RATE : RATE + 2000].tobytes()
    start = rendered.tobytes().find(probe) // 6 - RATE
    if start < 0:
        raise SystemExit("the take does not match the rendered log")
    length = min(len(played), len(rendered) - start)
    return length, int((played[:length] != rendered[start:][:length]).any(1).sum())
