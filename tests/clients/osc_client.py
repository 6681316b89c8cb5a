"""A python-osc client: queries values and the whole state, then sends a bundle and an address pattern.

    osc_client.py PORT
"""

import sys

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

client = SimpleUDPClient("127.0.0.1", int(sys.argv[1]))


def read(address):
    client.send_message(address, [])
    reply = next(client.get_messages(timeout=10))
    print("read", reply.address, list(reply), flush=True)


read("/melos/temperature")
read("/melos/emotion")

missing = {"/melos/valence", "/melos/level/pad", "/melos/hold", "/melos/key", "/melos/record"}
client.send_message("/melos/state", [])
while missing:
    message = next(client.get_messages(timeout=10), None)
    if message is None:
        break
    missing.discard(message.address)
print("state", len(missing), "missing", flush=True)

bundle = OscBundleBuilder(IMMEDIATELY)
for address, value in (("/melos/valence", 0.25), ("/melos/arousal", -0.5)):
    message = OscMessageBuilder(address=address)
    message.add_arg(value)
    bundle.add_content(message.build())
client.send(bundle.build())
client.send_message("/melos/mute/{bass,pad}", True)
print("sent", flush=True)
