"""Connects Melos to lights and lighting desks over Art-Net, which carries DMX over the network.

    pip install python-osc
    python3 artnet.py --lights 192.168.1.50 --lights-universe 1     # Melos controls lights
    python3 artnet.py --desk-universe 0                             # a desk controls Melos

In the lights' universe, channels 1 to 8 follow the eight emotions and channel 9 the loudness; channel 10 flashes on each beat, 11 on the
first beat of a bar, and 12 on each note. The desk's channels set the parameters listed in DESK when they move.
"""

import argparse
import socket
import struct
import time

from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient

ARTNET_PORT = 6454
HEADER = struct.Struct("<8sHBBBBHBB")  # name, operation, version (2 bytes), sequence, physical port, universe, length (2 bytes)
NAME, DMX = b"Art-Net\0", 0x5000
FRAME = 1 / 40  # seconds between frames for the lights
FADE = 0.8  # factor by which a flash is multiplied in each frame
RENEW = 10  # seconds between subscriptions, which are lost when Melos restarts
EMOTIONS = 8
LOUDNESS, BEAT, BAR, NOTE = range(EMOTIONS, EMOTIONS + 4)
QUIET = -50  # level in dBFS at which the loudness channel is dark
# Desk channel, counted from 1: (address, parameter value at DMX 0, parameter value at DMX 255).
DESK = {
    1: ("/melos/valence", -1.0, 1.0), 2: ("/melos/arousal", -1.0, 1.0), 3: ("/melos/density", -1.0, 1.0), 4: ("/melos/temperature", 0.1, 2.0),
    5: ("/melos/reverb", 0.0, 1.0), 6: ("/melos/level/master", -60.0, 0.0), 7: ("/melos/play", 0.0, 1.0), 8: ("/melos/hold", 0.0, 1.0),
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=9000)
parser.add_argument("--lights", help="address of the Art-Net node, or the broadcast address of its network")
parser.add_argument("--lights-universe", type=int, default=1)
parser.add_argument("--lights-port", type=int, default=ARTNET_PORT)
parser.add_argument("--desk-universe", type=int)
parser.add_argument("--desk-address", default="0.0.0.0", help="address to listen on")
parser.add_argument("--desk-port", type=int, default=ARTNET_PORT)
arguments = parser.parse_args()
melos = SimpleUDPClient(arguments.host, arguments.port)


def frame(universe, sequence, channels):
    """Returns an ArtDmx packet."""
    return HEADER.pack(NAME, DMX, 0, 14, sequence, 0, universe, *divmod(len(channels), 256)) + bytes(channels)


def channels_of(packet, universe):
    """Returns the channels in an ArtDmx packet for a universe; none for any other packet."""
    if len(packet) < HEADER.size:
        return b""
    name, operation, _, _, _, _, target, high, low = HEADER.unpack_from(packet)
    return packet[HEADER.size : HEADER.size + (256 * high + low)] if (name, operation, target) == (NAME, DMX, universe) else b""


class Lights:
    """Sets light channels from Melos's messages and sends them as Art-Net frames."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.channels, self.sequence = [0.0] * (EMOTIONS + 4), 0

    def update(self, name, values):
        if name == "mood":
            self.channels[:EMOTIONS] = values[:EMOTIONS]
        elif name == "level":
            self.channels[LOUDNESS] = min(max(1 - values[0] / QUIET, 0.0), 1.0)
        elif name == "beat":
            self.channels[BEAT] = 1.0
            if values[0] == 1:
                self.channels[BAR] = 1.0
        elif name == "onset":
            self.channels[NOTE] = max(self.channels[NOTE], values[0])

    def send(self):
        self.sequence = self.sequence % 255 + 1
        packet = frame(arguments.lights_universe, self.sequence, [round(255 * value) for value in self.channels])
        self.socket.sendto(packet, (arguments.lights, arguments.lights_port))
        for flash in (BEAT, BAR, NOTE):
            self.channels[flash] *= FADE


class Desk:
    """Forwards a desk's channels to Melos when they move."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((arguments.desk_address, arguments.desk_port))
        self.socket.setblocking(False)
        self.latest = {}

    def read(self):
        while True:
            try:
                packet = self.socket.recv(1024)
            except BlockingIOError:
                return
            channels = channels_of(packet, arguments.desk_universe)
            for channel, (address, low, high) in DESK.items():
                if channel > len(channels):
                    break
                value = channels[channel - 1]
                # The first frame only gives the faders' initial positions.
                if value != self.latest.setdefault(channel, value):
                    self.latest[channel] = value
                    melos.send_message(address, low + (high - low) * value / 255)


lights = Lights() if arguments.lights else None
desk = Desk() if arguments.desk_universe is not None else None
if not (lights or desk):
    parser.error("give --lights ADDRESS, --desk-universe NUMBER, or both")
subscribed, due = 0.0, time.monotonic()
while True:
    now = time.monotonic()
    if lights and now - subscribed > RENEW:
        subscribed = now
        melos.send_message("/melos/subscribe", [])
        melos.send_message("/melos/mood", [])
    due = max(due + FRAME, now)
    while (remaining := due - time.monotonic()) > 0:
        if not (packet := melos.receive(remaining)):
            break
        message = OscMessage(packet)
        if message.address == "/melos/confirm":
            melos.send_message(message.address, message.params)
        elif lights:
            lights.update(message.address.removeprefix("/melos/"), message.params)
    if desk:
        desk.read()
    if lights:
        lights.send()
