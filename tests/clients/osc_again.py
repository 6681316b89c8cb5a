"""Subscribes, moves a fader, and subscribes again, like a client that has lost its connection. Prints parts of both states.

    osc_again.py PORT
"""

import socket
import sys
import time

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

MELOS = ("127.0.0.1", int(sys.argv[1]))
LAST = "/melos/record/preroll"  # the last parameter in the state

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(10)


def send(address, *arguments):
    builder = OscMessageBuilder(address=address)
    for argument in arguments:
        builder.add_arg(argument)
    udp.sendto(builder.build().dgram, MELOS)


def subscribe():
    """Subscribes, and returns the values received up to the last parameter of the state."""
    send("/melos/subscribe")
    values = {}
    while LAST not in values:
        message = OscMessage(udp.recv(65536))
        values[message.address] = message.params
    return values


first = subscribe()
print("initial tone", first["/melos/tone"])
send("/melos/tone", 0.5)
send("/melos/record/format", "flac")
# A reply shows that both have been processed.
reply = None
while reply != ["flac"]:
    send("/melos/record/format")
    message = OscMessage(udp.recv(65536))
    if message.address == "/melos/record/format":
        reply = message.params
# The state leaves out a fader that is still moving; after this pause, it no longer counts as moving.
time.sleep(0.5)
second = subscribe()
print("missing", sorted(set(first) - set(second) - {"/melos/beat", "/melos/bar", "/melos/onset"}))
print("tone", second["/melos/tone"], "format", second["/melos/record/format"], flush=True)
