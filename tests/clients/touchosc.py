"""Prints what a TouchOSC layout sends and receives: one JSON object for each OSC message, and one for the script.

    touchosc.py LAYOUT
"""

import json
import sys
import xml.etree.ElementTree as ET
import zlib

root = ET.fromstring(zlib.decompress(open(sys.argv[1], "rb").read()))
for node in root.iter("node"):
    for prop in node.iterfind("properties/property"):
        if prop.findtext("key") == "script":
            print(json.dumps({"script": prop.findtext("value")}))
    for message in node.iterfind("messages/osc"):
        argument = {child.tag: child.text for child in message.find("arguments/partial")}
        parts = [(part.findtext("type"), part.findtext("value")) for part in message.iterfind("path/partial")]
        assert all(kind == "CONSTANT" for kind, _ in parts), parts
        print(json.dumps({
            "control": node.get("type"), "address": "".join(text for _, text in parts), "sends": message.findtext("send") == "1",
            "kind": argument["type"], "value": argument["value"], "range": [float(argument["scaleMin"]), float(argument["scaleMax"])],
        }))
