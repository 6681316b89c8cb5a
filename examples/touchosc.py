"""Writes touchosc.tosc, a TouchOSC layout for a tablet (1024 x 768): python3 touchosc.py touchosc.tosc

In TouchOSC, connect OSC (UDP) to the machine that runs Melos: send port 9000, receive port 9001.
"""

import sys
import uuid
import xml.etree.ElementTree as ET
import zlib

RECEIVE_PORT = 9001
EMOTIONS = ["happy", "energetic", "angry", "mysterious", "romantic", "calm", "nostalgic", "sad"]
# Parameter, label, and the values at both ends.
MOOD = [("valence", "unpleasant - pleasant", -1, 1), ("arousal", "quiet - excited", -1, 1)]
PLAYING = [("temperature", "creativity", 0.1, 2), ("density", "density", -1, 1), ("loudness", "touch", -1, 1), ("register", "register", -1, 1),
           ("reverb", "reverb", 0, 1), ("tone", "tone", -1, 1)]
LEVELS = [("level/network", "piano", -60, 6), ("level/bass", "bass", -60, 6), ("level/pad", "pad", -60, 6), ("level/upper", "upper", -60, 6),
          ("level/master", "master", -60, 6)]
MUTES = [("mute/network", "mute piano"), ("mute/bass", "mute bass"), ("mute/pad", "mute pad"), ("mute/upper", "mute upper")]
SWITCHES = [("play", "play"), ("hold", "hold"), ("record", "record")]
TRIGGERS = [("preset/previous", "< preset"), ("preset/next", "preset >"), ("scene/undo", "undo scene"), ("panic", "panic")]
# Subscribes again every ten seconds, in case Melos has restarted, and confirms this device's address when asked to.
SCRIPT = f"""local sent = -10000

function update()
  if getMillis() - sent >= 10000 then
    sent = getMillis()
    sendOSC({{ '/melos/subscribe', {{ {{ tag = 'i', value = {RECEIVE_PORT} }} }} }})
  end
end

function onReceiveOSC(message)
  if message[1] == '/melos/confirm' then
    sendOSC({{ '/melos/confirm', message[2] }})
  end
end
"""
BLUE, GREEN, ORANGE, RED, GREY = (0.3, 0.55, 0.9), (0.35, 0.7, 0.5), (0.9, 0.6, 0.25), (0.85, 0.3, 0.3), (0.5, 0.5, 0.55)


def add(parent, tag, text=None, **attributes):
    element = ET.SubElement(parent, tag, attributes)
    element.text = None if text is None else str(text)
    return element


def control(parent, kind, name, frame, colour=GREY, values=(), **properties):
    """Adds a control. Its id depends only on its kind and name, so that the file is reproducible."""
    node = add(parent, "node", ID=str(uuid.uuid5(uuid.NAMESPACE_URL, f"melos/{kind}/{name}")), type=kind)
    properties_node = add(node, "properties")
    for key, parts in [("color", zip("rgba", (*colour, 1))), ("frame", zip("xywh", frame))]:
        item = add(properties_node, "property", type="c" if key == "color" else "r")
        add(item, "key", key)
        value = add(item, "value")
        for part, number in parts:
            add(value, part, number)
    for key, value in {"name": name, **properties}.items():
        item = add(properties_node, "property", type={str: "s", bool: "b", int: "i", float: "f"}[type(value)])
        add(item, "key", key)
        add(item, "value", int(value) if isinstance(value, bool) else value)
    values_node = add(node, "values")
    for key, default in values:
        item = add(values_node, "value")
        for tag, text in [("key", key), ("locked", 0), ("lockedDefaultCurrent", 0), ("default", default), ("defaultPull", 0)]:
            add(item, tag, text)
    return node


def partial(parent, kind, conversion, value, low=0, high=1):
    item = add(parent, "partial")
    for tag, text in [("type", kind), ("conversion", conversion), ("value", value), ("scaleMin", low), ("scaleMax", high)]:
        add(item, tag, text)


def osc(node, parameter, argument, condition="ANY", sends=True, receives=True):
    """Binds a control to a parameter; `argument` gives the kind, conversion and value of the message's argument, and the values at both ends."""
    messages = node.find("messages")
    message = add(add(node, "messages") if messages is None else messages, "osc")
    for tag, text in [("enabled", 1), ("send", int(sends)), ("receive", int(receives)), ("feedback", 0), ("connections", "11111")]:
        add(message, tag, text)
    trigger = add(add(message, "triggers"), "trigger")
    add(trigger, "var", "text" if argument[2] == "text" else "x")
    add(trigger, "condition", condition)
    partial(add(message, "path"), "CONSTANT", "STRING", f"/melos/{parameter}")
    partial(add(message, "arguments"), *argument)


def label(parent, name, text, frame, size=14):
    return control(parent, "LABEL", name, frame, values=[("text", text), ("touch", "false")], textSize=size, background=False, interactive=False)


def fader(parent, parameter, text, low, high, frame, colour):
    x, y, width, height = frame
    node = control(parent, "FADER", parameter, (x, y, width, height - 24), colour, [("x", 0), ("touch", "false")], orientation=int(width > height))
    osc(node, parameter, ("VALUE", "FLOAT", "x", low, high))
    label(parent, f"{parameter} label", text, (x, y + height - 24, width, 24))


def button(parent, name, parameter, text, frame, colour, argument, toggles=False):
    node = control(parent, "BUTTON", name, frame, colour, [("x", 0), ("touch", "false")], buttonType=2 if toggles else 0)
    osc(node, parameter, argument, condition="ANY" if toggles else "RISE", receives=toggles)
    label(parent, f"{name} label", text, frame, 16)


def layout():
    root = ET.Element("lexml", version="3")
    page = control(root, "GROUP", "melos", (0, 0, 1024, 768), (0.1, 0.1, 0.12), [("touch", "false")], script=SCRIPT)
    children = add(page, "children")
    for name, frame in [("preset", (16, 8, 488, 48)), ("chord", (520, 8, 488, 48))]:
        osc(label(children, name, "-", frame, 28), name, ("VALUE", "STRING", "text"), sends=False)
    for index, (parameter, text, low, high) in enumerate(MOOD):
        fader(children, parameter, text, low, high, (16 + 504 * index, 64, 488, 100), BLUE)
    for index, emotion in enumerate(EMOTIONS):
        button(children, emotion, "emotion", emotion, (16 + 126 * index, 176, 110, 72), BLUE, ("CONSTANT", "STRING", emotion))
    for index, (parameter, text, low, high) in enumerate(PLAYING):
        fader(children, parameter, text, low, high, (16 + 90 * index, 264, 78, 340), GREEN)
    for index, (parameter, text, low, high) in enumerate(LEVELS):
        fader(children, parameter, text, low, high, (568 + 90 * index, 264, 78, 260), ORANGE)
    for index, (parameter, text) in enumerate(MUTES):
        button(children, parameter, parameter, text, (568 + 90 * index, 536, 78, 68), ORANGE, ("VALUE", "FLOAT", "x"), toggles=True)
    for index, (parameter, text) in enumerate(SWITCHES):
        button(children, parameter, parameter, text, (16 + 144 * index, 624, 132, 128), GREY, ("VALUE", "FLOAT", "x"), toggles=True)
    for index, (parameter, text) in enumerate(TRIGGERS):
        colour = RED if parameter == "panic" else GREY
        button(children, parameter, parameter, text, (448 + 144 * index, 624, 132, 128), colour, ("CONSTANT", "INTEGER", 1))
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        file.write(zlib.compress(layout(), 9))
