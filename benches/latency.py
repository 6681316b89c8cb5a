"""From an OSC message to its sound, through JACK: latency.py MELOS [COUNT] [PERIOD]

Starts a JACK server with the dummy driver and `MELOS run`, records what is played, sends mood changes at random moments,
then renders the control log with and without each change: the first sample that differs is when the change was heard.
Prints percentiles in milliseconds. Needs JACK-Client, numpy and python-osc (tests/requirements.txt).
"""

import random
import sys
import time

import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from rig import PORT, RATE, Rig, percentiles


def main():
    melos, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    period = sys.argv[3] if len(sys.argv) > 3 else "256"
    sent = []
    with Rig(melos, period, "glide=0") as rig:
        osc = SimpleUDPClient("127.0.0.1", PORT)
        for index in range(count):
            time.sleep(random.uniform(0.6, 1.0))
            sent.append(rig.now())
            osc.send_message("/melos/emotion", ("angry", "calm", "happy", "sad")[index % 4])
        time.sleep(1.5)

    events = [i for i, line in enumerate(rig.lines) if line.split(" ", 1)[0].isdigit() and "/melos/emotion " in line]
    full = rig.render()
    start = rig.place(full)
    print(f"the recording equals the rendered log: {rig.same(full, start) == len(rig.heard)}")

    latencies = []
    for moment, index in zip(sent, events, strict=True):
        without = f"{rig.folder}/without.log"
        open(without, "w").writelines(rig.lines[:index] + rig.lines[index + 1 :])
        frame = int(rig.lines[index].split()[0])
        other = rig.render(without, frame / RATE + 0.5)
        different = np.flatnonzero(full[: len(other)] != other)[0]
        latencies.append((different - (start + moment - rig.first)) / RATE * 1000)
    print(f"period {period}, {count} mood changes, ms:", percentiles(latencies, 50, 95, 100))


main()
