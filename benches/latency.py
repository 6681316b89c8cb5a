"""From an OSC message to its sound, through JACK: latency.py MELOS [COUNT] [PERIOD]

Starts a JACK server with the dummy driver and `MELOS run`, records what is played, sends mood changes at random moments,
then renders the control log with and without each change: the first sample that differs is when the change was heard.
Prints percentiles in milliseconds. Needs JACK-Client, numpy and python-osc (tests/requirements.txt).
"""

import os
import random
import subprocess
import sys
import tempfile
import time

os.environ |= {"JACK_DEFAULT_SERVER": "melos-latency", "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}

import jack
import numpy as np
from pythonosc.udp_client import SimpleUDPClient

RATE = 48_000
PORT = 9123


def render(melos, log, folder, seconds):
    path = f"{folder}/render.wav"
    command = [melos, "render", "--control-log", log, "--seconds", str(seconds), "--bits", "32", "-o", path]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    data = open(path, "rb").read()
    at = data.index(b"data") + 8
    return np.frombuffer(data[at : at + (len(data) - at) // 8 * 8], "<f4").reshape(-1, 2)[:, 0]


def main():
    melos, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    period = sys.argv[3] if len(sys.argv) > 3 else "256"
    folder = tempfile.mkdtemp()
    log = f"{folder}/session.log"
    server = subprocess.Popen(
        ["jackd", "-n", "melos-latency", "-R", "-P", "70", "-d", "dummy", "-r", str(RATE), "-p", period],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    time.sleep(2)
    daemon = subprocess.Popen(
        [melos, "run", "--audio", "jack", "--midi", "off", "--preset", "calm", "--osc", f"127.0.0.1:{PORT}", "--http", "9124",
         "--state", f"{folder}/state", "--control-log", log, "--set", "glide=0"],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(4)
    heard, first = [], []
    client = jack.Client("latency", no_start_server=True)
    port = client.inports.register("in")

    @client.set_process_callback
    def process(_):
        if not first:
            first.append(client.last_frame_time)
        heard.append(port.get_array().copy())

    sent = []
    with client:
        client.connect("melos-audio:left", port)
        osc = SimpleUDPClient("127.0.0.1", PORT)
        osc.send_message("/melos/glide", 0.0)
        time.sleep(1)
        for index in range(count):
            time.sleep(random.uniform(0.6, 1.0))
            sent.append(client.frame_time)
            osc.send_message("/melos/emotion", ("angry", "calm", "happy", "sad")[index % 4])
        time.sleep(1.5)
    daemon.terminate()
    daemon.wait()
    server.terminate()
    heard = np.concatenate(heard)

    lines = open(log).read().splitlines(keepends=True)
    events = [index for index, line in enumerate(lines) if line.split(" ", 1)[0].isdigit() and "/melos/emotion " in line]
    length = int(lines[-1].split()[0]) / RATE
    full = render(melos, log, folder, length)
    # Where the recording lies on the time line of the performance: it is bit for bit the same.
    probe = heard[RATE // 2 : RATE // 2 + 2000]
    start = next(at for at in np.flatnonzero(full == probe[0]) if np.array_equal(full[at : at + 2000], probe)) - RATE // 2
    print(f"the recording equals the rendered log: {np.array_equal(full[start : start + len(heard)], heard)}")

    latencies = []
    for moment, index in zip(sent, events, strict=True):
        without = f"{folder}/without.log"
        open(without, "w").writelines(lines[:index] + lines[index + 1 :])
        frame = int(lines[index].split()[0])
        other = render(melos, without, folder, frame / RATE + 0.5)
        different = np.flatnonzero(full[: len(other)] != other)[0]
        latencies.append((different - (start + moment - first[0])) / RATE * 1000)
    print(f"period {period}, {count} mood changes, ms:", *(f"p{p} {np.percentile(latencies, p):.0f}" for p in (50, 95, 100)))


main()
