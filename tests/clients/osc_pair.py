"""Two subscribers: one moves a fader quickly, and the other receives the values and then sends one back. Prints what each received.

    osc_pair.py PORT
"""

import socket
import struct
import sys
import time

from pythonosc.osc_message import OscMessage

MELOS = ("127.0.0.1", int(sys.argv[1]))
FADER = "/melos/tone"


class Subscriber:
    def __init__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.settimeout(10)
        self.udp.sendto(b"/melos/subscribe\0\0\0\0,\0\0\0", MELOS)
        # This is the last value in the state.
        while self.next().address != "/melos/record/preroll":
            pass

    def next(self):
        return OscMessage(self.udp.recv(65536))

    def move(self, value):
        self.udp.sendto(FADER.encode() + b"\0,f\0\0" + struct.pack(">f", value), MELOS)

    def receive_until(self, value):
        """Returns the fader's values, up to and including `value`."""
        received = []
        while value not in received:
            message = self.next()
            if message.address == FADER:
                received += message.params
        return received

    def pending(self):
        """Returns the fader's received but unread values."""
        self.udp.setblocking(False)
        received = []
        while True:
            try:
                message = self.next()
            except BlockingIOError:
                self.udp.settimeout(10)
                return received
            if message.address == FADER:
                received += message.params


mover, listener = Subscriber(), Subscriber()
started = time.monotonic()
for step in range(1000):
    mover.move(step / 1024)
    time.sleep(0.001)
mover.move(1.0)
received = listener.receive_until(1.0)
elapsed = time.monotonic() - started
print("newest", received[-1])
print("in order", received == sorted(set(received)))
print("at most 30 a second", len(received) <= 30 * elapsed + 2)
print("echoed", len(mover.pending()))
time.sleep(0.3)  # a released fader receives others' values again after a quarter of a second
listener.move(-0.5)
print("from the other client", mover.receive_until(-0.5)[-1], flush=True)
