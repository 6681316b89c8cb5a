"""Simulates eight sensors, each with its own wave, at RATE messages a second in total for SECONDS, then sends their resting
values.

    osc_sensors.py PORT RATE SECONDS

Half of the sensors set parameters that change the generated music, and the other half set parameters that the engine applies
immediately.
"""

import math
import socket
import struct
import sys
import time

PORT, RATE, SECONDS = (int(argument) for argument in sys.argv[1:])
SENSORS = [
    # address, minimum, maximum, period in seconds, value at rest
    ("/melos/valence", -1, 1, 7, 0.25),
    ("/melos/level/network", -6, 0, 3, -3),
    ("/melos/temperature", 0.6, 1.4, 11, 0.875),
    ("/melos/tone", -0.5, 0.5, 5, -0.125),
    ("/melos/arousal", -1, 1, 13, -0.5),
    ("/melos/reverb", 0, 1, 4, 0.375),
    ("/melos/density", -1, 1, 9, 0.5),
    ("/melos/width", 0, 1, 2, 0.625),
]
PER_TICK = 10

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def send(address, value):
    text = address.encode() + b"\0"
    text += b"\0" * (-len(text) % 4)
    udp.sendto(text + b",f\0\0" + struct.pack(">f", value), ("127.0.0.1", PORT))


started = time.monotonic()
for index in range(RATE * SECONDS):
    if index % PER_TICK == 0:
        time.sleep(max(0, started + index / RATE - time.monotonic()))
    address, low, high, period, _ = SENSORS[index % len(SENSORS)]
    wave = math.sin(index / RATE / period * math.tau)
    send(address, low + (high - low) * (wave + 1) / 2)
for address, *_, rest in SENSORS:
    send(address, rest)
print(f"sent {RATE * SECONDS} in {time.monotonic() - started:.1f} s", flush=True)
