"""Asks for a control to be learnt and prints the answer: osc_learn.py PORT PARAMETER"""

import socket
import sys

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

port, parameter = sys.argv[1:]
message = OscMessageBuilder("/melos/learn")
message.add_arg(parameter)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.sendto(message.build().dgram, ("127.0.0.1", int(port)))
    udp.settimeout(60)
    answer = OscMessage(udp.recv(4096))
print(answer.address, " ".join(str(word).replace("\n", "; ") for word in answer.params), flush=True)
