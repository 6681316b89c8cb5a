"""Measures the fast lane under a flood of OSC messages: flood.py MELOS [SECONDS] [RATE] [PERIOD]

While `tests/clients/osc_sensors.py` sends RATE (10,000) messages a second for SECONDS (60), a separate fader,
/melos/reverb/size, moves five times a second. The control log gives the frame at which each move took effect; if the
recording equals the rendered log sample for sample, the move was audible from that frame. PERIOD (256) is the period of the
JACK server in frames. Writes the flood section of BENCHMARKS.md.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

from pythonosc.udp_client import SimpleUDPClient

import report
from testbed import OSC, RATE, Recorder, daemon, jack_server, render, status

FADER = "/melos/reverb/size"
FINAL_VALUES = {
    "valence": 0.25, "level/network": -3, "temperature": 0.875, "tone": -0.125,
    "arousal": -0.5, "reverb": 0.375, "density": 0.5, "width": 0.625,
}
COUNTERS = ("osc_refused", "xruns", "starvations", "late_commands", "late_splices")
SENSORS = pathlib.Path(__file__).parent.parent / "tests/clients/osc_sensors.py"


def flood(melos, seconds, rate, period):
    moves = {}
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/session.log"
        arguments = ["--audio", "jack", "--preset", "calm", "--control-log", log]
        with jack_server("melos-flood", period) as realtime, daemon(melos, *arguments):
            with Recorder() as recorder:
                osc, before = SimpleUDPClient("127.0.0.1", OSC), status()
                sensors = subprocess.Popen([sys.executable, SENSORS, str(OSC), str(rate), str(seconds)])
                while sensors.poll() is None:
                    value = round(0.3 + len(moves) / 10_000, 4)
                    moves[value] = recorder.now()
                    osc.send_message(FADER, value)
                    time.sleep(0.2)
                time.sleep(1)
                after = status()
        full = render(melos, log, folder)
        lines = open(log).read().splitlines()
    compared = recorder.compare(full)
    executed = {due: int(frame) for *_, due, frame in (line.split() for line in lines if " executed " in line)}
    moved = [line.split() for line in lines if line[0].isdigit() and f" {FADER} " in line]
    applied = {round(float(value), 4): executed.get(frame, int(frame)) for frame, _, value in moved}
    return {
        "seconds": seconds, "rate": rate, "period": period, "realtime": realtime,
        "won": all(after["parameters"][id] == value for id, value in FINAL_VALUES.items()),
        "counters": {
            "osc_received": after["osc_received"] - before["osc_received"],
            **{counter: after["losses"][counter] - before["losses"][counter] for counter in COUNTERS},
        },
        **compared, "moves": len(moves),
        "milliseconds": [
            (applied[value] - recorder.frame(frame_time)) / RATE * 1000 for value, frame_time in moves.items() if value in applied
        ],
    }


if __name__ == "__main__":
    seconds, rate, period = (int(word) for word in sys.argv[2:] + ["60", "10000", "256"][len(sys.argv) - 2 :])
    conditions = report.conditions()
    measurements = flood(sys.argv[1], seconds, rate, period)
    report.store("flood", measurements, conditions)
    title, text = report.flood(measurements)
    print(f"{title}\n\n{text}")
