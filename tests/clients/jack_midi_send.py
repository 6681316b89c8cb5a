"""Sends sample-accurate MIDI through JACK.

    jack_midi_send.py TARGET controls|clock|file
"""

import io
import sys
import threading

import jack
import mido

TARGET, WHAT = sys.argv[1:]
RATE = 48000


def controls():
    """Returns a knob movement, an NRPN, a SysEx message, a chord with pedal, a program change and a flood of knob values: messages 2 ms
    apart, each with its frame."""
    messages = [
        [0xB0, 20, 127],
        [0xB0, 99, 2], [0xB0, 98, 44], [0xB0, 6, 64], [0xB0, 38, 0],
        [0xF0] + [1] * 200 + [0xF7],
        [0x90, 57, 90], [0x90, 60, 90], [0x90, 64, 90],
        [0xB0, 64, 127], [0x80, 57, 0], [0x80, 60, 0], [0x80, 64, 0], [0xB0, 64, 0],
        [0xC0, 1],
    ]
    messages += [[0xB0, 21, step % 128] for step in range(2000)]
    return [(index * RATE // 500, message) for index, message in enumerate(messages)]


def clock():
    """Returns a MIDI clock, each message with its frame: two bars at 80 bpm, then two bars and a beat at 140 bpm."""
    events, frame = [(0, [0xFA])], 1.0
    for tempo, beats in ((80, 8), (140, 9)):
        for _ in range(beats * 24):
            events.append((int(frame), [0xF8]))
            frame += RATE * 60 / tempo / 24
    return events


def file():
    """Returns the messages of a MIDI file with running status, each with its frame: a 14-bit fader that rises in 100 steps, coarse byte first."""
    steps = [round(step * 16383 / 99) for step in range(100)]
    track = mido.MidiTrack()
    for step in steps:
        track.append(mido.Message("control_change", control=22, value=step >> 7, time=2))
        track.append(mido.Message("control_change", control=54, value=step & 127))
    written = io.BytesIO()
    mido.MidiFile(tracks=[track]).save(file=written)
    assert written.getvalue().count(b"\xb0") == 1, "the file should contain the status byte once"
    written.seek(0)
    seconds, events = 0.0, []
    for message in mido.MidiFile(file=written):
        seconds += message.time
        if not message.is_meta:
            events.append((int(seconds * RATE), message.bytes()))
    return events


client = jack.Client("sender", no_start_server=True)
out = client.midi_outports.register("out")
events = {"controls": controls, "clock": clock, "file": file}[WHAT]()
done = threading.Event()
start = None


@client.set_process_callback
def process(frames):
    global start
    out.clear_buffer()
    if not out.connections:
        return
    now = client.last_frame_time
    # The receiver needs a moment to detect the connection.
    start = now + RATE // 2 if start is None else start
    if now + frames <= start:
        return
    while events and events[0][0] < now - start + frames:
        frame, message = events.pop(0)
        out.write_midi_event(max(0, frame - (now - start)), bytes(message))
    if not events:
        done.set()


with client:
    target = next(port for port in client.get_ports(is_midi=True, is_input=True) if TARGET in port.name)
    client.connect(out, target)
    done.wait(60)
    # The last cycle must finish before the port closes.
    threading.Event().wait(0.1)
    print("sent", flush=True)
