"""Plays for a long time under JACK while being steered, and counts losses: soak.py MELOS [MINUTES]"""

import datetime
import random
import sys
import time

from pythonosc.udp_client import SimpleUDPClient

import book
from stage import OSC, daemon, jack_server, memory_mb, status, wait_until_it_plays

PERIOD = 1024
COUNTERS = ("xruns", "device_losses", "starvations", "late_splices", "late_commands", "generator_failures")
EMOTIONS = ("calm", "happy", "sad", "angry", "mysterious", "romantic", "energetic", "nostalgic")


def soak(melos, minutes):
    with jack_server("melos-soak", PERIOD) as realtime, daemon(melos, "--audio", "jack") as process:
        wait_until_it_plays()
        osc = SimpleUDPClient("127.0.0.1", OSC)
        begun, begin = time.monotonic(), status()
        time.sleep(10)
        memory = [memory_mb(process)[0]]
        while time.monotonic() - begun < 60 * minutes:
            osc.send_message(f"/melos/emotion/{random.choice(EMOTIONS)}", random.random())
            osc.send_message("/melos/temperature", random.uniform(0.5, 1.3))
            osc.send_message("/melos/reverb", random.random())
            time.sleep(random.uniform(1, 5))
        end = status()
        memory += memory_mb(process)
    return {
        "minutes": round((end["seconds"] - begin["seconds"]) / 60, 1),
        "period": PERIOD,
        "realtime": realtime,
        "counters": {
            **{name: end["losses"][name] - begin["losses"][name] for name in COUNTERS},
            "starved_seconds": end["starved_seconds"] - begin["starved_seconds"],
        },
        "memory": memory,
        "load": end["load"],
    }


if __name__ == "__main__":
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    book.keep("soak", soak(sys.argv[1], minutes), datetime.datetime.now())
