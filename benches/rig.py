"""A daemon on a JACK server without a sound card, and a recording of what it plays. Needs JACK-Client and numpy."""

import json
import os
import subprocess
import tempfile
import time

os.environ |= {"JACK_DEFAULT_SERVER": "melos-bench", "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}

import jack
import numpy as np

RATE = 48_000
PORT = 9133
HTTP = 9134


class Rig:
    """Starts everything; `with` it, send to PORT; afterwards `heard` is the sound and `lines` the control log."""

    def __init__(self, melos, period, *settings):
        self.melos, self.folder = melos, tempfile.mkdtemp()
        self.log = f"{self.folder}/session.log"
        self.server = subprocess.Popen(
            ["jackd", "-n", "melos-bench", "-R", "-P", "70", "-d", "dummy", "-r", str(RATE), "-p", str(period)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(2)
        self.daemon = subprocess.Popen(
            [melos, "run", "--audio", "jack", "--midi", "off", "--preset", "calm", "--osc", f"127.0.0.1:{PORT}", "--http", str(HTTP),
             "--state", f"{self.folder}/state", "--control-log", self.log, *(f"--set={setting}" for setting in settings)],
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        self.blocks, self.first = [], None
        self.client = jack.Client("bench", no_start_server=True)
        port = self.client.inports.register("in")

        @self.client.set_process_callback
        def process(_):
            if self.first is None:
                self.first = self.client.last_frame_time
            self.blocks.append(port.get_array().copy())

        self.client.activate()
        while not self.client.get_ports("melos-audio:left"):
            if self.daemon.poll() is not None:
                raise SystemExit(f"{self.melos} does not play; run it by hand to see why")
            time.sleep(0.1)
        self.client.connect("melos-audio:left", port)
        time.sleep(1)
        return self

    def __exit__(self, *_):
        self.client.deactivate()
        self.client.close()
        self.end = self.status()
        self.daemon.terminate()
        self.daemon.wait()
        self.server.terminate()
        self.heard = np.concatenate(self.blocks)
        self.lines = open(self.log).read().splitlines(keepends=True)

    def now(self):
        """This moment, in frames of the JACK server."""
        return self.client.frame_time

    def status(self):
        """What `melos status` says."""
        return json.loads(subprocess.check_output([self.melos, "status", "--json", "--http", str(HTTP)]))

    def render(self, log=None, seconds=None):
        """What a control log (default: the session's) sounds like."""
        path = f"{self.folder}/render.wav"
        length = ["--seconds", str(seconds)] if seconds else []
        command = [self.melos, "render", "--control-log", log or self.log, *length, "--bits", "32", "-o", path]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        data = open(path, "rb").read()
        at = data.index(b"data") + 8
        return np.frombuffer(data[at : at + (len(data) - at) // 8 * 8], "<f4").reshape(-1, 2)[:, 0]

    def place(self, full):
        """The frame of the performance at which the recording begins: somewhere it is bit for bit the same."""
        for begin in range(RATE // 2, len(self.heard) - 2000, RATE):
            probe = self.heard[begin : begin + 2000]
            for at in begin + np.flatnonzero(full[begin:] == probe[0]):
                if np.array_equal(full[at : at + 2000], probe):
                    return at - begin
        raise SystemExit("the recording equals the rendered log nowhere: the machine is too busy to play in time")

    def same(self, full, start):
        """How many samples of the recording equal the rendering before the first that differs."""
        different = np.flatnonzero(self.heard != full[start : start + len(self.heard)])
        return different[0] if len(different) else len(self.heard)


def percentiles(latencies, *wanted):
    return " ".join(f"p{p} {np.percentile(latencies, p):.1f}" for p in wanted)
