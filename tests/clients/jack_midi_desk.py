"""A controller with motor faders and lights, connected through JACK MIDI.

    jack_midi_desk.py [--echo] [NAME SUFFIX]

Prints "connected" once connected, then every message from melos:feedback in hexadecimal, and sends each line of standard input, also
hexadecimal, to melos:midi_in. With --echo, sends back every message received, as some devices do. NAME is the name of the JACK client
(default: desk); SUFFIX, such as _2, selects the ports of Melos whose names end in it.
"""

import collections
import sys
import threading

import jack

echo = "--echo" in sys.argv
name, suffix = ([word for word in sys.argv[1:] if word != "--echo"] + ["desk", ""])[:2]
ports = f"melos:midi_in{suffix}", f"melos:feedback{suffix}"
client = jack.Client(name, no_start_server=True)
input_port = client.midi_inports.register("in")
out = client.midi_outports.register("out")
sending, received = collections.deque(), collections.deque()
arrived = threading.Event()


@client.set_process_callback
def process(_):
    out.clear_buffer()
    for _, data in input_port.incoming_midi_events():
        message = bytes(data)
        received.append(message)
        if echo:
            sending.append(message)
        arrived.set()
    while sending:
        out.write_midi_event(0, sending.popleft())


def print_received():
    while True:
        arrived.wait()
        arrived.clear()
        while received:
            print(received.popleft().hex(" "), flush=True)


with client:
    while not all(client.get_ports(port) for port in ports):
        threading.Event().wait(0.05)
    client.connect(out, ports[0])
    client.connect(ports[1], input_port)
    threading.Thread(target=print_received, daemon=True).start()
    print("connected", flush=True)
    for line in sys.stdin:
        sending.append(bytes.fromhex(line))
    # Closing standard input ends the program; the last cycle must finish before the ports close.
    threading.Event().wait(0.2)
