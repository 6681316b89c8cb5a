"""Connects Melos to an MQTT broker, for home automation, sensors and displays.

    pip install python-osc paho-mqtt
    python3 mqtt.py --broker 192.168.1.10

Set parameters with melos/set/PARAMETER, such as `mosquitto_pub -t melos/set/emotion -m calm` or `mosquitto_pub -t melos/set/panic -n`.
Every value is published as melos/PARAMETER and retained by the broker; stream messages such as melos/beat are published as they arrive,
with their arguments separated by spaces. melos/online is 1 while this bridge runs.
"""

import argparse
import sys
import threading
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient

STREAMS = {"beat", "bar", "onset", "level", "mood", "trouble"}
UNUSED = {"health", "subscription/expires"}
RENEW = 10  # seconds between subscriptions, which are lost when Melos restarts

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=9000)
parser.add_argument("--broker", default="127.0.0.1")
parser.add_argument("--broker-port", type=int, default=1883)
parser.add_argument("--user")
parser.add_argument("--password")
arguments = parser.parse_args()

# Melos does not send a client's own changes back to it, so one client sets values and another subscribes.
setter, listener = (SimpleUDPClient(arguments.host, arguments.port) for _ in range(2))


def parse(text):
    try:
        return float(text)
    except ValueError:
        return text


def on_message(_client, _data, message):
    address = "/melos/" + message.topic.removeprefix("melos/set/")
    text = message.payload.decode(errors="replace")
    setter.send_message(address, [parse(text)] if text else [])


def on_connect(client, _data, _flags, reason, _properties):
    print(f"broker: {reason}", file=sys.stderr, flush=True)
    client.subscribe("melos/set/#")
    client.publish("melos/online", 1, retain=True)
    # Values published while disconnected were lost; subscribing again makes Melos resend all of them.
    published.clear()
    connected.set()


published, connected = {}, threading.Event()
broker = Client(CallbackAPIVersion.VERSION2)
broker.on_connect, broker.on_message = on_connect, on_message
broker.will_set("melos/online", 0, retain=True)
if arguments.user:
    broker.username_pw_set(arguments.user, arguments.password)
broker.connect_async(arguments.broker, arguments.broker_port)
broker.loop_start()

subscribed = 0.0
while True:
    if connected.is_set() or time.monotonic() - subscribed > RENEW:
        connected.clear()
        subscribed = time.monotonic()
        listener.send_message("/melos/subscribe", [])
    packet = listener.receive(1)
    if not packet:
        continue
    message = OscMessage(packet)
    name = message.address.removeprefix("/melos/")
    if name == "confirm":
        listener.send_message(message.address, message.params)
        continue
    text = " ".join(map(str, message.params))
    # Melos resends all values after each subscription; only those that have changed are published.
    if name in STREAMS:
        broker.publish(f"melos/{name}", text)
    elif name not in UNUSED and published.get(name) != text:
        published[name] = text
        broker.publish(f"melos/{name}", text, retain=True)
