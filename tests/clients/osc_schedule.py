"""Sends one bundle that contains two bundles: the value in one is due in one second, that in the other a tenth of a second later.

    osc_schedule.py PORT
"""

import sys
import time

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

due = time.time() + 1
outer = OscBundleBuilder(IMMEDIATELY)
for delay, value in ((0.1, 0.75), (0.0, 0.25)):
    bundle, message = OscBundleBuilder(due + delay), OscMessageBuilder(address="/melos/tone")
    message.add_arg(value)
    bundle.add_content(message.build())
    outer.add_content(bundle.build())
SimpleUDPClient("127.0.0.1", int(sys.argv[1])).send(outer.build())
