"""Plays for a long time while a fault occurs every few seconds: faults.py MELOS [MINUTES] [SEED]

SEED determines which faults occur and when, how long they last, and how parameters change. Melos plays under JACK (dummy driver), and
another client records the output. Counts silences of more than 100 ms, clicks, and faults from which Melos did not recover within
20 s, and measures the growth of memory, file descriptors, threads and files. Must run as root, to mount and freeze a separate file
system. Writes the faults section of BENCHMARKS.md.
"""

import contextlib
import os
import pathlib
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from pythonosc.udp_client import SimpleUDPClient

import report
import monitor
import testbed

NAME, PERIOD = "melos-faults", 1024
DISK_MB = 400
# Seconds within which Melos must recover from a fault.
RECOVERY_LIMIT = 20
# Seconds before and after an outage of the sound server within which silences and clicks are attributed to it.
OUTAGE_MARGIN = 1.5
EMOTIONS = ("calm", "happy", "sad", "angry", "mysterious", "romantic", "energetic", "nostalgic")
CONFIG = '[recordings]\nfolder = "takes"\nmax_gb = {}\nkeep_free_gb = 0.02\nwhen_full = "delete-oldest"\n'
SENSORS = pathlib.Path(__file__).parent.parent / "tests/clients/osc_sensors.py"
# Seconds from the NTP epoch to the Unix epoch.
NTP_OFFSET = 2_208_988_800


@contextlib.contextmanager
def disk(megabytes):
    """Mounts a separate file system, which the faults fill, lock and freeze; yields its mount point."""
    with tempfile.TemporaryDirectory() as folder:
        image, mount_point = f"{folder}/image", f"{folder}/disk"
        os.mkdir(mount_point)
        subprocess.run(["truncate", "-s", f"{megabytes}M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mount_point], check=True)
        try:
            yield mount_point
        finally:
            subprocess.run(["umount", "-l", mount_point], check=True)


class Server:
    """A JACK server that can hang, die and restart."""

    def start(self):
        scheduling = ["-R", "-P", "70"] if self.realtime() else ["-r"]
        command = ["jackd", "-n", NAME, *scheduling, "-d", "dummy", "-r", str(testbed.RATE), "-p", str(PERIOD)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def realtime(self):
        return subprocess.run(["chrt", "-f", "70", "true"], stderr=subprocess.DEVNULL).returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait()


class Rig:
    """The system under test. Each method in FAULTS causes one fault and then undoes it."""

    def __init__(self, folder, server, process, log_reader, rng):
        self.folder, self.server, self.process, self.log_reader, self.rng = folder, server, process, log_reader, rng
        self.osc = SimpleUDPClient("127.0.0.1", testbed.OSC)

    def server_stalls(self):
        os.kill(self.server.process.pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.1, 5))
        os.kill(self.server.process.pid, signal.SIGCONT)

    def server_dies(self):
        self.server.kill()
        time.sleep(self.rng.uniform(0, 6))
        self.server.start()

    def flood(self):
        sensors = [sys.executable, SENSORS, str(testbed.OSC), "10000", "3"]
        subprocess.run(sensors, check=True, stdout=subprocess.DEVNULL)

    def noise(self):
        """Sends random bytes, some of which begin like an OSC message or bundle."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for _ in range(5000):
                head = self.rng.choice([b"", b"/melos/chord\0\0\0\0,s\0\0", b"#bundle\0"])
                udp.sendto(head + self.rng.randbytes(self.rng.randrange(200)), ("127.0.0.1", testbed.OSC))
                time.sleep(0.0002)

    def fast_clock(self):
        """Schedules messages 50 to 58 minutes ahead, like a client whose clock is fast."""
        message = b"/melos/emotion\0\0,s\0\0sad\0"
        for _ in range(60):
            due = int(time.time()) + NTP_OFFSET + self.rng.randrange(3000, 3500)
            bundle = b"#bundle\0" + struct.pack(">Q", due << 32) + (struct.pack(">I", len(message)) + message) * 100
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.sendto(bundle, ("127.0.0.1", testbed.OSC))
            time.sleep(0.01)

    def connections(self):
        """Opens many connections whose requests are never completed."""
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                with contextlib.suppress(OSError):
                    connection = stack.enter_context(socket.create_connection(("127.0.0.1", testbed.HTTP), 1))
                    connection.sendall(b"GET /status HTTP/1.1\r\nHost: ")
            time.sleep(self.rng.uniform(1, 5))

    def disk_full(self):
        with contextlib.suppress(OSError), open(f"{self.folder}/ballast", "wb", buffering=0) as ballast:
            while ballast.write(bytes(1 << 20)):
                pass
        time.sleep(self.rng.uniform(1, 8))
        os.remove(f"{self.folder}/ballast")

    def folders_locked(self):
        folders = [self.folder, f"{self.folder}/takes"]
        subprocess.run(["chattr", "+i", *folders], check=True)
        time.sleep(self.rng.uniform(1, 8))
        subprocess.run(["chattr", "-i", *folders], check=True)

    def disk_hangs(self):
        subprocess.run(["fsfreeze", "-f", self.folder], check=True)
        time.sleep(self.rng.uniform(0.5, 6))
        subprocess.run(["fsfreeze", "-u", self.folder], check=True)

    def disk_slow(self):
        for _ in range(40):
            subprocess.run(["fsfreeze", "-f", self.folder], check=True)
            time.sleep(0.15)
            subprocess.run(["fsfreeze", "-u", self.folder], check=True)
            time.sleep(0.01)

    def descriptors(self):
        limits = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (len(self.open_files()), limits[1]))
        time.sleep(self.rng.uniform(1, 6))
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, limits)

    def log_reader_stalls(self):
        os.kill(self.log_reader.pid, signal.SIGSTOP)
        # Invalid messages, whose log lines fill the pipe.
        for _ in range(3000):
            self.osc.send_message("/melos/chord", "Hm")
        time.sleep(self.rng.uniform(1, 10))
        os.kill(self.log_reader.pid, signal.SIGCONT)

    def reload(self):
        """Writes an invalid preset and configuration, and later valid ones."""
        config, preset = pathlib.Path(self.folder) / "melos.toml", pathlib.Path(self.folder) / "melos/presets/mine.toml"
        preset.write_text("schema = 1\nname = \"Mine\"\nreverb = 0,6\n")
        config.write_text(CONFIG.format('"much"'))
        time.sleep(self.rng.uniform(0.5, 4))
        preset.write_text(f"schema = 1\nname = \"Mine\"\nreverb = {self.rng.random():.3f}\n")
        config.write_text(CONFIG.format(self.rng.choice([0.15, 0.2])))

    def open_files(self):
        return os.listdir(f"/proc/{self.process.pid}/fd")

    def steer(self):
        self.osc.send_message(f"/melos/emotion/{self.rng.choice(EMOTIONS)}", self.rng.random())
        self.osc.send_message("/melos/temperature", self.rng.uniform(0.5, 1.3))
        self.osc.send_message("/melos/record", self.rng.randrange(2))

    def wait_for_recovery(self):
        """Waits until Melos plays, responds and records again without troubles. Returns the problem if Melos exits or exceeds
        the time limit, otherwise None."""
        started, value = time.monotonic(), round(self.rng.random(), 3)
        while time.monotonic() - started < RECOVERY_LIMIT:
            self.osc.send_message("/melos/reverb", value)
            self.osc.send_message("/melos/record", 1)
            time.sleep(0.25)
            if self.process.poll() is not None:
                return f"Melos exited with status {self.process.returncode}"
            now = testbed.status()
            if now and now["state"] == "playing" and not now["troubles"] and now["recording"]["on"]:
                if abs(now["parameters"]["reverb"] - value) < 1e-3:
                    return None
        return "Melos does not respond" if now is None else f"{now['state']}, {now['troubles']}, {now['recording']}"


FAULTS = [
    Rig.server_stalls, Rig.server_dies, Rig.flood, Rig.noise, Rig.fast_clock, Rig.connections, Rig.disk_full,
    Rig.folders_locked, Rig.disk_hangs, Rig.disk_slow, Rig.descriptors, Rig.log_reader_stalls, Rig.reload,
]


def sizes(rig):
    """Returns the memory and disk space used, in megabytes, and the numbers of file descriptors and threads."""
    files = sum(path.stat().st_size for path in pathlib.Path(rig.folder).rglob("*") if path.is_file())
    threads = len(os.listdir(f"/proc/{rig.process.pid}/task"))
    return [testbed.memory_mb(rig.process)[0], files / 1e6, len(rig.open_files()), threads]


def cause_faults(rig, output_monitor, minutes):
    """Causes faults until the time is up; returns the sizes after each fault, the number of faults of each kind, the faults from which
    Melos did not recover, and the outages of the server."""
    started, growth, counts, failures, outages = time.monotonic(), [], {}, [], []
    while time.monotonic() - started < 60 * minutes:
        for _ in range(rig.rng.randrange(1, 4)):
            rig.steer()
            time.sleep(rig.rng.uniform(0.5, 4))
        fault = rig.rng.choice(FAULTS)
        name, started_at = fault.__name__.replace("_", " "), time.monotonic()
        print(f"{started_at - started:7.1f} s  {name}", flush=True)
        fault(rig)
        ended = time.monotonic()
        if fault in (Rig.server_stalls, Rig.server_dies):
            outages.append((started_at, ended))
        counts[name] = counts.get(name, 0) + 1
        if problem := rig.wait_for_recovery():
            failures.append(f"{name}: {problem}")
            print(f"           not recovered: {problem}", flush=True)
            if rig.process.poll() is not None:
                break
        growth.append([(time.monotonic() - started) / 60, *sizes(rig)])
        print(f"           {time.monotonic() - ended:.1f} s until recovery, at {time.monotonic():.2f}; {len(output_monitor.silences)} silences, "
              f"{len(output_monitor.clicks)} clicks, {growth[-1]}", flush=True)
    return growth, counts, failures, outages


def soak(melos, minutes, seed):
    rng, server = random.Random(seed), Server()
    os.environ |= {"JACK_DEFAULT_SERVER": NAME, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    with disk(DISK_MB) as folder, tempfile.TemporaryFile() as log, contextlib.ExitStack() as stack:
        os.makedirs(f"{folder}/melos/presets")
        (pathlib.Path(folder) / "melos.toml").write_text(CONFIG.format(0.2))
        server.start()
        time.sleep(2)
        stack.callback(lambda: server.kill())
        log_reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
        command = [*testbed.NICE, melos, "run", "--osc", f"127.0.0.1:{testbed.OSC}", "--http", str(testbed.HTTP), "--audio", "jack",
                   "--midi", "jack", "--state", folder, "--config", f"{folder}/melos.toml", "--preset", "calm"]
        process = subprocess.Popen(command, stderr=log_reader.stdin, env=os.environ | {"XDG_CONFIG_HOME": folder})
        log_reader.stdin.close()
        output_monitor = monitor.Monitor("target/clicks")
        stack.callback(lambda: (process.terminate(), process.wait(), log_reader.wait()))
        testbed.wait_until_ready()
        rig = Rig(folder, server, process, log_reader, rng)
        assert rig.wait_for_recovery() is None
        growth, counts, failures, outages = cause_faults(rig, output_monitor, minutes)
        last = testbed.status() or {"losses": {}, "seconds": 0}
        output_monitor.close()
        log.seek(0, os.SEEK_END)
        log_bytes = log.tell()
    return summary(output_monitor, growth, counts, failures, outages) | {
        "minutes": round(last["seconds"] / 60, 1), "seed": seed, "period": PERIOD, "realtime": server.realtime(),
        "losses": {name: count for name, count in last["losses"].items() if count}, "log_mb": log_bytes / 1e6,
    }


def summary(output_monitor, growth, counts, failures, outages):
    """Summarises a run; silences and clicks during outages of the server are counted separately."""
    during_outage = lambda moment: any(started_at - OUTAGE_MARGIN <= moment <= ended + OUTAGE_MARGIN for started_at, ended in outages)
    recovery_seconds = []
    for _, ended in outages:
        recovery_seconds += [first - ended for first in output_monitor.first_sounds if ended <= first < ended + RECOVERY_LIMIT][:1]
    return {
        "heard_minutes": output_monitor.frames_recorded / monitor.RATE / 60,
        "silences": [round(seconds, 3) for moment, seconds in output_monitor.silences if not during_outage(moment)],
        "clicks": sum(not during_outage(moment) for moment in output_monitor.clicks),
        "server_silences": [round(seconds, 3) for moment, seconds in output_monitor.silences if during_outage(moment)],
        "server_clicks": sum(during_outage(moment) for moment in output_monitor.clicks),
        "back_seconds": sorted(round(seconds, 2) for seconds in recovery_seconds),
        "missed_by_listener": output_monitor.missed, "faults": counts, "wrong": failures,
        "grown": [growth[quarter * (len(growth) - 1) // 4] for quarter in range(5)],
    }


if __name__ == "__main__":
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
    conditions = report.conditions()
    measurements = soak(sys.argv[1], minutes, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    report.store("faults", measurements, conditions)
    print("\n\n".join(report.faults(measurements)))
