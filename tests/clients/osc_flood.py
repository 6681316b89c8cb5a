"""Sends 10,000 values and 10,000 random datagrams (seeded), interleaved, as fast as possible; then repeats a final value.

    osc_flood.py PORT
"""

import random
import socket
import struct
import sys
import time

target = ("127.0.0.1", int(sys.argv[1]))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
noise = random.Random(1)


def valence(value):
    return b"/melos/valence\0\0,f\0\0" + struct.pack(">f", value)


for step in range(10_000):
    udp.sendto(valence(step / 20_000), target)
    udp.sendto(noise.choice((b"", b"#bundle\0", b"/melos/")) + noise.randbytes(noise.randrange(200)), target)
print("done", flush=True)
for _ in range(100):
    udp.sendto(valence(0.875), target)
    time.sleep(0.05)
