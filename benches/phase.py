"""Measures the time between Melos's beats and those of a MIDI clock.

One JACK client sends a MIDI clock, exact to the frame, at 80 and then 140 bpm; another receives the clock that Melos sends to
other instruments. The two are compared in frames of the JACK server.
"""

import threading
import time

import jack
from pythonosc.udp_client import SimpleUDPClient

from testbed import OSC, RATE, daemon, jack_server, wait_until_ready

PULSES = 24
PERIOD = 256
# Each tempo in bpm and the number of beats at that tempo.
TEMPI = ((80, 32), (140, 64))


def clock():
    """Returns the clock's messages, each with its frame."""
    messages, frame = [(0, 0xFA)], 0.0
    for tempo, count in TEMPI:
        for _ in range(count * PULSES):
            messages.append((round(frame), 0xF8))
            frame += RATE * 60 / tempo / PULSES
    return messages


def perform(melos):
    """Makes Melos follow the clock; returns the frames of Melos's beats and of the clock's."""
    messages, received, sent, start = clock(), [], [], None
    done = threading.Event()
    with jack_server("melos-phase", PERIOD, "-S", "-t", "3000"), daemon(melos, "--audio", "jack", "--preset", "calm", midi="jack"):
        wait_until_ready()
        # Use two clients, because a single client that sends and receives would form a loop, which JACK delays by a period.
        client, receiver = jack.Client("clock", no_start_server=True), jack.Client("receiver", no_start_server=True)
        out, input_port = client.midi_outports.register("out"), receiver.midi_inports.register("in")

        @receiver.set_process_callback
        def listen(_):
            received.extend((receiver.last_frame_time + offset, bytes(data)) for offset, data in input_port.incoming_midi_events())

        @client.set_process_callback
        def process(frames):
            nonlocal start
            out.clear_buffer()
            now = client.last_frame_time
            if start is None or now + frames <= start:
                return
            while messages and messages[0][0] < now - start + frames:
                frame, message = messages.pop(0)
                # A late message is sent now, and `sent` contains the frame at which it was really sent.
                offset = max(0, frame - (now - start))
                out.write_midi_event(offset, bytes([message]))
                sent.append((now + offset, bytes([message])))
            if not messages:
                done.set()

        with client, receiver:
            while not all(client.get_ports(port) for port in ("melos:midi_in", "melos:midi_out")):
                time.sleep(0.1)
            client.connect(out, "melos:midi_in")
            receiver.connect("melos:midi_out", input_port)
            SimpleUDPClient("127.0.0.1", OSC).send_message("/melos/tempo/source", "clock")
            # Melos needs time to detect the connection.
            time.sleep(2)
            start = client.last_frame_time + RATE
            done.wait(300)
    return beat_frames(received), beat_frames(sent)


def beat_frames(messages):
    """Returns the frames of the beats in a MIDI clock."""
    # No pulse is lost, because the server is synchronous and waits for all clients.
    pulse, beats = None, []
    for frame, message in messages:
        if message[0] == 0xFA:
            pulse = 0
        elif message[0] == 0xF2:
            pulse = (message[1] | message[2] << 7) * PULSES // 4
        elif message[0] == 0xF8 and pulse is not None:
            if pulse % PULSES == 0:
                beats.append(frame)
            pulse += 1
    return beats


def phase(melos):
    """Returns the milliseconds from each beat of the clock to Melos's nearest beat, by tempo of the clock."""
    beats, clock_beats = perform(melos)
    errors = {}
    for tempo, count in TEMPI:
        expected, clock_beats = clock_beats[:count], clock_beats[count:]
        errors[tempo] = [min((beat - beat_frame for beat in beats), key=abs) / RATE * 1000 for beat_frame in expected]
    return errors
