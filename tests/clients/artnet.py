"""An Art-Net desk, which cycles its first channel through three values, or a lamp, which prints the frames it receives.

    artnet.py desk|lamp PORT
"""

import itertools
import sys
import time

from stupidArtnet import StupidArtnet, StupidArtnetServer

role, port = sys.argv[1], int(sys.argv[2])
if role == "desk":
    desk = StupidArtnet(universe=0, packet_size=8, port=port)
    for value in itertools.cycle([0, 51, 102]):
        desk.set_single_value(1, value)
        desk.show()
        time.sleep(0.1)
else:
    lamp = StupidArtnetServer(port=port)
    lamp.register_listener(universe=1, callback_function=lambda channels: print("frame", channels, flush=True))
    time.sleep(3600)
