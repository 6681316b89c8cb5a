"""Starts MIDI learn for a parameter, or forgets its learned bindings, and prints the reply.

    osc_learn.py PORT PARAMETER [forget]
"""

import socket
import sys

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

port, parameter, *command = sys.argv[1:]
message = OscMessageBuilder("/".join(["/melos/learn", *command]))
message.add_arg(parameter)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.sendto(message.build().dgram, ("127.0.0.1", int(port)))
    udp.settimeout(60)
    reply = OscMessage(udp.recv(4096))
print(reply.address, " ".join(str(word).replace("\n", "; ") for word in reply.params), flush=True)
