"""Schedules two values of one fader for the next bar.

    osc_bar.py PORT
"""

import sys

from pythonosc.udp_client import SimpleUDPClient

client = SimpleUDPClient("127.0.0.1", int(sys.argv[1]))
client.send_message("/melos/next/bar/tone", 0.25)
client.send_message("/melos/next/bar/tone", 0.75)
