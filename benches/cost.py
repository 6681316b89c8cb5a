"""Measures what single runs of Melos cost: starting, rendering and playing without a sound device."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

from testbed import daemon, memory_mb, processor_seconds, wait_until_ready

# The emotions whose rendering is measured.
EMOTIONS = ("calm", "angry", "energetic")


def start_seconds(melos):
    """Returns the seconds from `melos run` to the report that it plays, which systemd would receive."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(f"{folder}/notify")
        notifications.settimeout(30)
        started = time.monotonic()
        with daemon(melos, "--audio", "null", environment={"NOTIFY_SOCKET": f"{folder}/notify"}):
            while b"READY=1" not in notifications.recv(4096):
                pass
            return time.monotonic() - started


def render_cost(melos, emotion, seconds=60):
    """Returns the time and processor time that `melos render` takes per second of music, and its peak memory in megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        command = [melos, "render", "--emotion", emotion, "--seconds", str(seconds), "-o", pathlib.Path(folder, "music.wav")]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, code, usage = os.wait4(process.pid, 0)
        assert code == 0
        wall = time.monotonic() - started
    return {"wall": wall / seconds, "cpu": (usage.ru_utime + usage.ru_stime) / seconds, "memory": usage.ru_maxrss / 1000}


def playing_cost(melos, seconds=60):
    """Returns the processor time per second of a playing daemon, and its current and peak memory in megabytes after a minute."""
    with daemon(melos, "--audio", "null") as process:
        wait_until_ready()
        used, started = processor_seconds(process), time.monotonic()
        time.sleep(seconds)
        cpu = (processor_seconds(process) - used) / (time.monotonic() - started)
        return {"cpu": cpu, "memory": memory_mb(process)}
