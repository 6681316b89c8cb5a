"""Runs the TouchDesigner example with stand-ins for the classes of TouchDesigner that it uses, over real OSC.

    touchdesigner.py SCRIPT

Prints every parameter that changes through OSC. When `Hold` turns on, moves `Arousal` as a user would, and prints all messages that the
component has sent since it started, except subscriptions: values that it received must not be among them.
"""

import socket
import sys
import time
from types import SimpleNamespace

from pythonosc.osc_packet import OscPacket
from pythonosc.udp_client import SimpleUDPClient

# At six frames a second of TouchDesigner's time, ten seconds are sixty frames here.
RATE, FRAME = 6, 1 / 60


class Parameter:
    """A custom parameter; like TouchDesigner, reports changes from any source at the end of the frame."""

    def __init__(self, name, label, value):
        self.name, self.label, self.val, self.reported = name, label, value, value
        self.menuNames = None

    def eval(self):
        if self.menuNames is not None:
            assert self.val in self.menuNames, f"{self.name} has no {self.val!r}"
        return self.val


class Operator:
    def __init__(self, name, owner=None):
        self.name, self.owner, self.children, self.par = name, owner, {}, SimpleNamespace()
        self.text, self.customPars, self.storage, self.socket = "", [], {}, None
        self.inputConnectors = [SimpleNamespace(connect=lambda source: None)]

    def create(self, kind, name):
        child = self.children[name] = Operator(name, self)
        child.kind = kind
        return child

    def appendCustomPage(self, name):
        def append(name, label, value):
            self.customPars.append(Parameter(name, label, value))
            return [self.customPars[-1]]

        return SimpleNamespace(
            appendFloat=lambda name, label: append(name, label, 0.0),
            appendMenu=lambda name, label: append(name, label, "happy"),
            appendToggle=lambda name, label: append(name, label, 0),
        )

    def store(self, key, value):
        self.storage[key] = value

    def module(self):
        """Runs the text of a DAT with the names that its callbacks use."""
        scope = {"op": self.owner.children.get, "parent": lambda: self.owner, "absTime": ABSOLUTE_TIME, "me": SimpleNamespace(time=SimpleNamespace(rate=RATE))}
        exec(self.text, scope)
        return scope

    def sendOSC(self, address, values):
        listen()
        if address != "/melos/subscribe":
            sent.append(f"{address} {' '.join(str(value) for value in values)}")
        if self.socket is None:
            self.socket = SimpleUDPClient(self.par.address, self.par.port)
        self.socket.send_message(address, values)


def operators(kind):
    return [operator for operator in PROJECT.children["melos"].children.values() if operator.kind == kind]


def listen():
    """Opens the ports of the operators that receive OSC."""
    for operator in operators("oscinCHOP") + operators("oscinDAT"):
        if operator.socket is None:
            operator.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            operator.socket.bind(("127.0.0.1", operator.par.port))
            operator.socket.setblocking(False)


def datagrams(operator):
    while True:
        try:
            yield operator.socket.recv(65_536)
        except BlockingIOError:
            return


def receive():
    for operator in operators("oscinCHOP"):
        for _ in datagrams(operator):
            pass
    for operator in operators("oscinDAT"):
        callbacks = operator.owner.children[operator.par.callbacks].module()
        for datagram in datagrams(operator):
            for timed in OscPacket(datagram).messages:
                message = timed.message
                callbacks["onReceiveOSC"](operator, 0, str(message), datagram, 0, message.address, message.params, None)


def report(origin):
    """Calls the callbacks for the parameters that have changed since the last call."""
    for operator in operators("parameterexecuteDAT"):
        for parameter in operator.par.op.customPars:
            if parameter.val != parameter.reported:
                previous, parameter.reported = parameter.reported, parameter.eval()
                print(f"{origin} {parameter.name} {parameter.val}", flush=True)
                operator.module()["onValueChange"](parameter, previous)


ABSOLUTE_TIME, PROJECT, sent = SimpleNamespace(frame=1), Operator("project1"), []
KINDS = ["baseCOMP", "oscoutDAT", "oscinCHOP", "oscinDAT", "textDAT", "parameterexecuteDAT", "executeDAT", "outCHOP"]
with open(sys.argv[1]) as file:
    exec(file.read(), {"op": lambda path: PROJECT, **{kind: kind for kind in KINDS}})
parameters = {parameter.name: parameter for parameter in PROJECT.children["melos"].customPars}
for parameter in parameters.values():
    parameter.reported = parameter.val
moved = None
while True:
    for operator in operators("executeDAT"):
        operator.module()["onFrameStart"](ABSOLUTE_TIME.frame)
    receive()
    report("received")
    if moved is None and parameters["Hold"].val:
        parameters["Arousal"].val, moved = 0.5, ABSOLUTE_TIME.frame
        report("moved")
    elif moved is not None and ABSOLUTE_TIME.frame == moved + 60:
        print(f"sent {sent}", flush=True)
    ABSOLUTE_TIME.frame += 1
    time.sleep(FRAME)
