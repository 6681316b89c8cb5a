"""The fast lane under a flood of OSC: flood.py MELOS [SECONDS] [RATE] [PERIOD]

Like latency.py, but while `tests/clients/osc_sensors.py` sends RATE (10,000) messages a second for SECONDS (60), a fader of its
own, /melos/reverb/size, moves five times a second. The control log says at which frame each move took effect, and because the
recording must equal the rendered log sample for sample, it was heard then. Prints what equals, who won, latency in milliseconds
and the daemon's counters.
"""

import pathlib
import subprocess
import sys
import time

from pythonosc.udp_client import SimpleUDPClient

from rig import PORT, RATE, Rig, percentiles

FADER = "/melos/reverb/size"
AT_REST = {
    "valence": 0.25, "level/network": -3, "temperature": 0.875, "tone": -0.125,
    "arousal": -0.5, "reverb": 0.375, "density": 0.5, "width": 0.625,
}


def main():
    melos = sys.argv[1]
    seconds, rate, period = (int(word) for word in sys.argv[2:] + ["60", "10000", "256"][len(sys.argv) - 2 :])
    sensors = pathlib.Path(__file__).parent.parent / "tests/clients/osc_sensors.py"
    moves = {}
    with Rig(melos, period) as rig:
        osc = SimpleUDPClient("127.0.0.1", PORT)
        before = rig.status()
        flood = subprocess.Popen([sys.executable, sensors, str(PORT), str(rate), str(seconds)])
        while flood.poll() is None:
            value = round(0.3 + len(moves) / 10_000, 4)
            moves[value] = rig.now()
            osc.send_message(FADER, value)
            time.sleep(0.2)
        time.sleep(1)
        after = rig.status()

    print("the newest values won:", all(after["parameters"][id] == value for id, value in AT_REST.items()))
    for counter in ("osc_received", "osc_refused", "xruns", "starvations", "late_commands", "late_splices"):
        print(counter, after[counter] - before[counter])

    full = rig.render()
    start = rig.place(full)
    same = rig.same(full, start)
    print(f"{same} of {len(rig.heard)} samples equal the rendered log")
    taken = {}
    for line in rig.lines:
        words = line.split()
        if words[0].isdigit() and words[1:2] == [FADER]:
            taken[round(float(words[-1]), 4)] = int(words[0])
    latencies = [(taken[value] - (start + moment - rig.first)) / RATE * 1000 for value, moment in moves.items() if value in taken]
    print(f"period {period}, {len(latencies)} of {len(moves)} moves, ms:", percentiles(latencies, 50, 95, 99, 100))


main()
