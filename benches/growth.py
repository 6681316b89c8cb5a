"""Measures the daemon's processor time and memory under several conditions, one after another: growth.py MELOS

Every condition gets a new daemon that plays the same music from the start under JACK (dummy driver), so that only the condition
differs. Evidence that the condition applies is counted, such as the messages that subscribers or the daemon receive, or the bytes
recorded.
"""

import contextlib
import pathlib
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from pythonosc.udp_client import SimpleUDPClient

import report
import plot
from page import processor_times
from testbed import HTTP, OSC, daemon, jack_server, memory_mb, status, wait_until_ready

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests/browser"))
PERIOD = 256
# Seconds until a condition has settled, seconds per measurement, and number of rounds through all conditions.
SETTLING_SECONDS, MEASURED_SECONDS, ROUNDS = 6, 25, 2
# OSC messages a second.
FLOOD = 10_000
SENSORS = ROOT / "tests/clients/osc_sensors.py"
MIDI_OUT = "[midi.out]\nnotes = true\nclock = true\n"


class Evidence:
    """Counts the messages or bytes that show that a condition applies."""

    def __init__(self):
        self.count = 0


@contextlib.contextmanager
def idle(_, evidence):
    yield


def subscribers(count):
    """Returns a condition with `count` OSC clients, each on its own port, that read everything they receive."""

    @contextlib.contextmanager
    def listening(_, evidence):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
            done = threading.Event()

            def read():
                while not done.is_set():
                    for client in select.select(clients, [], [], 0.2)[0]:
                        evidence.count += bool(client.recv(65_536))

            reader = threading.Thread(target=read)
            for client in clients:
                client.bind(("127.0.0.1", 0))
                client.sendto(b"/melos/subscribe\0\0\0\0,\0\0\0", ("127.0.0.1", OSC))
            reader.start()
            try:
                yield
            finally:
                done.set()
                reader.join()

    return listening


@contextlib.contextmanager
def page_open(_, evidence):
    from harness import Browser, Daemon

    with Browser() as browser:
        browser.open(Daemon(HTTP), "laptop")
        evidence.count = 1
        yield


@contextlib.contextmanager
def recording(folder, evidence):
    osc = SimpleUDPClient("127.0.0.1", OSC)
    osc.send_message("/melos/record", 1)
    yield
    evidence.count = sum(file.stat().st_size for file in folder.glob("recordings/*"))
    osc.send_message("/melos/record", 0)


@contextlib.contextmanager
def midi_out(_, evidence):
    import jack

    client = jack.Client("receiver", no_start_server=True)
    input_port = client.midi_inports.register("in")

    @client.set_process_callback
    def process(_):
        evidence.count += sum(1 for _ in input_port.incoming_midi_events())

    with client:
        while not client.get_ports("melos:midi_out"):
            time.sleep(0.1)
        client.connect("melos:midi_out", input_port)
        yield


@contextlib.contextmanager
def flood(_, evidence):
    before = status()["osc_received"]
    sensors = subprocess.Popen([sys.executable, SENSORS, str(OSC), str(FLOOD), str(SETTLING_SECONDS + MEASURED_SECONDS + 5)], stdout=subprocess.DEVNULL)
    try:
        yield
        evidence.count = status()["osc_received"] - before
    finally:
        sensors.terminate()
        sensors.wait()


# The name of each condition, the context manager that establishes it, and what its evidence counts.
CONDITIONS = {
    "nobody listens": (idle, ""),
    "1 subscriber": (subscribers(1), "messages received"),
    "10 subscribers": (subscribers(10), "messages received"),
    "64 subscribers": (subscribers(64), "messages received"),
    "the page open": (page_open, "page"),
    "recording": (recording, "bytes recorded"),
    "MIDI out, notes and clock": (midi_out, "MIDI messages received"),
    f"{FLOOD:,} OSC messages a second": (flood, "messages received"),
}


def measure(melos, name):
    """Returns the processor time per second of the daemon's generator and of everything else, the daemon's memory in megabytes,
    and the evidence per second."""
    condition, counts = CONDITIONS[name]
    evidence = Evidence()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "melos.toml").write_text(MIDI_OUT if condition is midi_out else "")
        arguments = ["--audio", "jack", "--preset", "calm", "--config", str(folder / "melos.toml")]
        with daemon(melos, *arguments, midi="jack", state=str(folder)) as process:
            wait_until_ready()
            with condition(folder, evidence):
                time.sleep(SETTLING_SECONDS)
                before, started = processor_times(process), time.monotonic()
                time.sleep(MEASURED_SECONDS)
                after, seconds = processor_times(process), time.monotonic() - started
                memory = memory_mb(process)[0]
    if counts and not evidence.count:
        raise SystemExit(f"{name}: no {counts}")
    other, generator = ((after[part] - before[part]) / seconds for part in ("other", "generator"))
    return {"other": other, "generator": generator, "memory": memory, "evidence": evidence.count / (SETTLING_SECONDS + seconds), "counts": counts}


def growth(melos):
    """Measures each condition, plots the results and returns them."""
    results = {name: [] for name in CONDITIONS}
    with jack_server("melos-growth", PERIOD) as realtime:
        for round_index in range(ROUNDS):
            for name, rounds in results.items():
                rounds.append(measure(melos, name))
                print(f"  {round_index + 1}/{ROUNDS} {name}: {rounds[-1]}", flush=True)
    median = lambda name, quantity: statistics.median(result[quantity] for result in results[name])
    bars = {name: [median(name, "other"), median(name, "generator")] for name in results}
    plot.growth(bars, {name: median(name, "memory") for name in results}, ROOT / "docs/growth.svg")
    return {"conditions": results, "seconds": MEASURED_SECONDS, "period": PERIOD, "realtime": realtime}


if __name__ == "__main__":
    conditions = report.conditions()
    report.store("growth", growth(sys.argv[1]), conditions)
