"""Measures the latency from an OSC or MIDI message to its effect on the sound through JACK.

Records what Melos plays while messages are sent at random times, then renders the control log with and without each
message: the first sample that differs gives the time of the effect.
"""

import contextlib
import random
import tempfile
import threading
import time

import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from testbed import OSC, RATE, Recorder, daemon, jack_server, render

# Seconds within which an effect is expected; if there is none, this time counts as the latency.
WINDOW = 1.0
# For each lane: the address and values of its messages, the range of seconds between them, and settings. Values of type bytes are
# MIDI messages that have the same effect as the address.
LANES = {
    "mood": ("/melos/emotion", ("angry", "calm", "happy", "sad"), (0.6, 1.0), ()),
    "chord, network": ("/melos/chord", ("Am", "F", "Dm", "G"), (0.6, 1.0), ("mute/harmony=true",)),
    "chord, harmony": ("/melos/chord", ("Am", "F", "Dm", "G"), (0.6, 1.0), ("mute/network=true",)),
    "fast": ("/melos/level/master", (-3.0, 0.0), (0.15, 0.3), ()),
    "fast, MIDI": ("/melos/play", (b"\xfc", b"\xfb"), (0.3, 0.6), ()),
}


@contextlib.contextmanager
def midi_sender():
    """Yields a function that sends a MIDI message in the next period and returns the frame at which it was sent."""
    import jack

    client, pending, sent = jack.Client("sender", no_start_server=True), [], []
    out, written = client.midi_outports.register("out"), threading.Event()

    @client.set_process_callback
    def process(_):
        out.clear_buffer()
        if pending:
            out.write_midi_event(0, pending.pop())
            sent.append(client.last_frame_time)
            written.set()

    def send(message):
        written.clear()
        pending.append(message)
        written.wait()
        return sent[-1]

    with client:
        while not client.get_ports("melos:midi_in"):
            time.sleep(0.1)
        client.connect(out, "melos:midi_in")
        time.sleep(2)
        yield send


def perform(melos, log, lane, count, period):
    """Runs Melos and sends the messages; returns the recorder and the frame time at which each message was sent."""
    address, values, pause, settings = LANES[lane]
    sent = []
    arguments = ["--audio", "jack", "--preset", "calm", "--control-log", log]
    for setting in ("glide=0", *settings):
        arguments += ["--set", setting]
    midi = isinstance(values[0], bytes)
    with contextlib.ExitStack() as stack:
        stack.enter_context(jack_server("melos-latency", period))
        stack.enter_context(daemon(melos, *arguments, midi="jack" if midi else "off"))
        recorder = stack.enter_context(Recorder())
        osc = SimpleUDPClient("127.0.0.1", OSC)

        def send_osc(value):
            frame_time = recorder.now()
            osc.send_message(address, value)
            return frame_time

        send = stack.enter_context(midi_sender()) if midi else send_osc
        for index in range(count):
            time.sleep(random.uniform(*pause))
            sent.append(send(values[index % len(values)]))
    return recorder, sent


def log_without(lines, index):
    """Returns a control log without one event and the `executed` lines of its immediate commands; later commands are renumbered."""
    frame = lines[index].split()[0]
    kept, removed = [], 0
    for line in lines[:index] + lines[index + 1 :]:
        words = line.split()
        if words[1:2] == ["executed"]:
            if words[4] == frame:
                removed += int(words[3]) - int(words[2])
                continue
            words[2:4] = [str(int(number) - removed) for number in words[2:4]]
            line = " ".join(words) + "\n"
        kept.append(line)
    return kept


def latencies(melos, lane, count, period):
    """Returns the milliseconds from each message to its audible effect, and how the recording compares with the rendered control log."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/session.log"
        recorder, sent = perform(melos, log, lane, count, period)
        lines = open(log).read().splitlines(keepends=True)
        messages = f"{LANES[lane][0]} "
        events = [index for index, line in enumerate(lines) if line[0].isdigit() and messages in line]
        full = render(melos, log, folder, int(lines[-1].split()[0]) / RATE)
        compared = recorder.compare(full)
        milliseconds = []
        # Melos stops the music at the end of the session, which is logged as a further event.
        for frame_time, index in zip(sent, events[: len(sent)], strict=True):
            path = f"{folder}/without.log"
            open(path, "w").writelines(log_without(lines, index))
            without = render(melos, path, folder, int(lines[index].split()[0]) / RATE + WINDOW)
            different = np.flatnonzero(full[: len(without)] != without[: len(full)])
            heard_at = different[0] if len(different) else len(without)
            milliseconds.append((heard_at - recorder.frame(frame_time)) / RATE * 1000)
        return milliseconds, compared
