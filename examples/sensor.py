"""Controls Melos with two sensors. Each line of standard input contains two numbers from 0 to 1023, as printed by arduino.ino.

    pip install python-osc
    stty -F /dev/ttyACM0 115200 raw -echo
    python3 sensor.py < /dev/ttyACM0

The first number controls arousal (distance: nearer is more excited), the second valence (light: brighter is happier).
"""

import argparse
import sys

from pythonosc.udp_client import SimpleUDPClient

SMOOTHING = 0.8  # weight of the previous value; increase it for a noisier sensor
STEP = 0.005  # smaller changes are not sent

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=9000)
arguments = parser.parse_args()
melos = SimpleUDPClient(arguments.host, arguments.port)


class Sensor:
    """Scales a reading to the range -1 to 1, smooths it, and sends it if it has changed."""

    def __init__(self, address, at_zero, at_full):
        self.address, self.at_zero, self.at_full = address, at_zero, at_full
        self.value = self.sent = None

    def read(self, reading):
        value = self.at_zero + (self.at_full - self.at_zero) * min(max(reading / 1023, 0), 1)
        self.value = value if self.value is None else SMOOTHING * self.value + (1 - SMOOTHING) * value
        if self.sent is None or abs(self.value - self.sent) > STEP:
            self.sent = self.value
            melos.send_message(self.address, self.value)


sensors = Sensor("/melos/arousal", -1.0, 1.0), Sensor("/melos/valence", -1.0, 1.0)
for line in sys.stdin:
    try:
        readings = [float(word) for word in line.split()]
    except ValueError:
        continue  # a partial line, which a serial port may send at the start
    if len(readings) == len(sensors):
        for sensor, reading in zip(sensors, readings):
            sensor.read(reading)
