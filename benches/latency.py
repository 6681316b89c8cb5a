"""Measures the latency from an OSC or MIDI message to its effect on the sound, under JACK.

Records what Melos plays while messages are sent at random times, then renders the control log with and without each
message: the first sample that differs gives the time of the effect. Melos also records a take: where the recording differs
from the render but the take does not, the difference arose outside Melos.
"""

import contextlib
import os
import pathlib
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from testbed import OSC, RATE, Recorder, compare_take, daemon, jack_server, render

# Seconds within which an event should affect the sound; if it does not, the end of this window counts as the time of the effect.
WINDOW = 1.0
PERIODS = (128, 256)
# The word by which the control log names the messages to an address, where it is not the address itself.
LOGGED = {"/melos/play/note": "note"}
# For each kind of change: the address and values of its messages, the range of seconds between them, and settings of the daemon. Values
# of type bytes are MIDI messages that have the same effect as OSC messages to the address.
CHANGES = {
    "mood": ("/melos/emotion", ("angry", "calm", "happy", "sad"), (0.6, 1.0), ()),
    "chord, network": ("/melos/chord", ("Am", "F", "Dm", "G"), (0.6, 1.0), ("mute/harmony=true",)),
    "chord, harmony": ("/melos/chord", ("Am", "F", "Dm", "G"), (0.6, 1.0), ("mute/network=true",)),
    "played note": ("/melos/play/note", ([60, 90], [64, 80], [67, 100], [72, 90]), (0.3, 0.6), ("mute/harmony=true",)),
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


def perform(melos, folder, change, count, period):
    """Runs Melos, which records a take, and sends the messages; returns the recorder and the frame time at which each message
    was sent. The control log and the take are written to `folder`."""
    address, values, pause, settings = CHANGES[change]
    sent = []
    arguments = ["--audio", "jack", "--preset", "calm", "--control-log", f"{folder}/session.log"]
    for setting in ("glide=0", *settings):
        arguments += ["--set", setting]
    midi = isinstance(values[0], bytes)
    with contextlib.ExitStack() as stack:
        stack.enter_context(jack_server("melos-latency", period))
        stack.enter_context(daemon(melos, *arguments, midi="jack" if midi else "off", state=folder))
        recorder = stack.enter_context(Recorder())
        osc = SimpleUDPClient("127.0.0.1", OSC)

        def send_osc(value):
            frame_time = recorder.now()
            osc.send_message(address, value)
            return frame_time

        send = stack.enter_context(midi_sender()) if midi else send_osc
        osc.send_message("/melos/record", 1)
        for index in range(count):
            time.sleep(random.uniform(*pause))
            sent.append(send(values[index % len(values)]))
    return recorder, sent


def log_without(lines, index):
    """Returns a control log without one event and the `executed` lines of its immediate commands, and with later commands renumbered."""
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


def analyze(melos, folder, change, recorder, sent):
    """Returns the milliseconds from each message of a performance to its audible effect, and how the recording and the take compare
    with the render."""
    log = f"{folder}/session.log"
    lines = open(log).read().splitlines(keepends=True)
    address = CHANGES[change][0]
    messages = f" {LOGGED.get(address, address)} "
    events = [index for index, line in enumerate(lines) if line[0].isdigit() and messages in line]
    length = int(lines[-1].split()[0]) / RATE
    full = render(melos, log, folder, length)
    compared = recorder.compare(full)
    (take,) = pathlib.Path(folder, "recordings").glob("*.wav")
    compared["take"], compared["take_differs"] = compare_take(melos, log, folder, take, length)

    def latency(frame_time, index):
        with tempfile.TemporaryDirectory() as own:
            path = f"{own}/without.log"
            pathlib.Path(path).write_text("".join(log_without(lines, index)))
            without = render(melos, path, own, int(lines[index].split()[0]) / RATE + WINDOW)
        different = np.flatnonzero(full[: len(without)] != without[: len(full)])
        heard_at = different[0] if len(different) else len(without)
        return (heard_at - recorder.frame(frame_time)) / RATE * 1000

    # When Melos exits, it stops the music, which may add one more event to the log.
    if len(events) not in (len(sent), len(sent) + 1):
        raise SystemExit(f"{len(sent)} messages were sent, but the log contains {len(events)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {"milliseconds": [float(ms) for ms in pool.map(latency, sent, events[: len(sent)])], **compared}


def latencies(programs, counts):
    """Returns for each program the latencies of each kind of change at each block size; `counts` gives the number of messages for each
    kind. The programs take turns."""
    results = [{} for _ in programs]
    with tempfile.TemporaryDirectory() as root:
        performances = []
        # All performances come first, because only they need an otherwise idle machine.
        for change, count in counts.items():
            for period in PERIODS:
                for melos, result in zip(programs, results):
                    folder = f"{root}/{len(performances)}"
                    os.mkdir(folder)
                    performances.append((result, f"{change} {period}", melos, folder, change, *perform(melos, folder, change, count, period)))
        print("  performed; rendering", flush=True)
        for result, name, *performance in performances:
            result[name] = analyze(*performance)
    return results
