"""Measures the latency from an OSC message to its sound through JACK.

Records what melos plays while messages are sent at random moments, then renders the control log with and without each
message: the first sample that differs is when it was heard.
"""

import random
import tempfile
import time

import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from stage import OSC, RATE, Listener, daemon, jack_server, render

# Changes without an effect within this many seconds count as taking this long.
WINDOW = 1.0
# Messages, and the seconds between them.
LANES = {
    "mood": ("/melos/emotion", ("angry", "calm", "happy", "sad"), (0.6, 1.0)),
    "fast": ("/melos/level/master", (-3.0, 0.0), (0.15, 0.3)),
}


def perform(melos, log, lane, count, period):
    """Plays and steers; returns the listener and the times of sending, in frames."""
    address, values, pause = LANES[lane]
    sent = []
    arguments = ["--audio", "jack", "--preset", "calm", "--control-log", log, "--set", "glide=0"]
    with jack_server("melos-latency", period), daemon(melos, *arguments), Listener() as listener:
        osc = SimpleUDPClient("127.0.0.1", OSC)
        for index in range(count):
            time.sleep(random.uniform(*pause))
            sent.append(listener.now())
            osc.send_message(address, values[index % len(values)])
    return listener, sent


def latencies(melos, lane, count, period):
    """Returns the milliseconds from each message to its sound, how many recorded periods differ from the rendered control log, and their total."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/session.log"
        listener, sent = perform(melos, log, lane, count, period)
        lines = open(log).read().splitlines(keepends=True)
        messages = f"{LANES[lane][0]} "
        events = [index for index, line in enumerate(lines) if line[0].isdigit() and messages in line]
        full = render(melos, log, folder, int(lines[-1].split()[0]) / RATE)
        start = listener.place(full)
        found = []
        for moment, index in zip(sent, events, strict=True):
            without = f"{folder}/without.log"
            open(without, "w").writelines(lines[:index] + lines[index + 1 :])
            other = render(melos, without, folder, int(lines[index].split()[0]) / RATE + WINDOW)
            different = np.flatnonzero(full[: len(other)] != other[: len(full)])
            heard_at = different[0] if len(different) else len(other)
            found.append((heard_at - (start + moment - listener.first)) / RATE * 1000)
        return found, listener.astray(full, start)
