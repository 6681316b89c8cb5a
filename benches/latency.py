"""From an OSC message to its sound, through JACK.

Records what melos plays while messages are sent at random moments, then renders the control log with and without each
message: the first sample that differs is when it was heard.
"""

import random
import subprocess
import tempfile
import time

import jack
import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from stage import OSC, RATE, daemon, jack_server, wait_until_it_plays

# A change that is not heard within so many seconds counts as heard after them.
WINDOW = 1.0
# What is sent, and the seconds between two messages.
LANES = {
    "mood": ("/melos/emotion", ("angry", "calm", "happy", "sad"), (0.6, 1.0)),
    "fast": ("/melos/level/master", (-3.0, 0.0), (0.15, 0.3)),
}


def render(melos, log, folder, seconds):
    path = f"{folder}/render.wav"
    command = [melos, "render", "--control-log", log, "--seconds", str(seconds), "--bits", "32", "-o", path]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    data = open(path, "rb").read()
    at = data.index(b"data") + 8
    return np.frombuffer(data[at : at + (len(data) - at) // 8 * 8], "<f4").reshape(-1, 2)[:, 0]


def perform(melos, log, lane, count, period):
    """Plays and steers; gives what was heard, the moment of its first frame, and the moments of sending, in frames."""
    address, values, pause = LANES[lane]
    heard, first, sent = [], [], []
    arguments = ["--audio", "jack", "--preset", "calm", "--control-log", log, "--set", "glide=0"]
    with jack_server("melos-latency", period), daemon(melos, *arguments):
        wait_until_it_plays()
        client = jack.Client("latency", no_start_server=True)
        port = client.inports.register("in")

        @client.set_process_callback
        def process(_):
            if not first:
                first.append(client.last_frame_time)
            heard.append(port.get_array().copy())

        with client:
            client.connect("melos-audio:left", port)
            osc = SimpleUDPClient("127.0.0.1", OSC)
            time.sleep(1.5)
            for index in range(count):
                time.sleep(random.uniform(*pause))
                sent.append(client.frame_time)
                osc.send_message(address, values[index % len(values)])
            time.sleep(1.5)
    return np.concatenate(heard), first[0], sent


def latencies(melos, lane, count, period):
    """Milliseconds from each message to its sound, and whether the recording is the rendered control log, bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/session.log"
        heard, first, sent = perform(melos, log, lane, count, period)
        lines = open(log).read().splitlines(keepends=True)
        messages = f"{LANES[lane][0]} "
        events = [index for index, line in enumerate(lines) if line[0].isdigit() and messages in line]
        full = render(melos, log, folder, int(lines[-1].split()[0]) / RATE)
        # Where the recording lies on the time line of the performance: it is bit for bit the same.
        probe = heard[RATE // 2 : RATE // 2 + 2000]
        start = next(at for at in np.flatnonzero(full == probe[0]) if np.array_equal(full[at : at + 2000], probe)) - RATE // 2
        found = []
        for moment, index in zip(sent, events, strict=True):
            without = f"{folder}/without.log"
            open(without, "w").writelines(lines[:index] + lines[index + 1 :])
            other = render(melos, without, folder, int(lines[index].split()[0]) / RATE + WINDOW)
            different = np.flatnonzero(full[: len(other)] != other[: len(full)])
            heard_at = different[0] if len(different) else len(other)
            found.append((heard_at - (start + moment - first)) / RATE * 1000)
        return found, bool(np.array_equal(full[start : start + len(heard)], heard))
