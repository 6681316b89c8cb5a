"""Monitors what melos plays through JACK. As a program, it writes the audio to standard output; `Monitor` runs that program,
restarts it whenever the server has stopped, and counts silences and clicks.

A listener inside the controlling program would be lost with the server, and would have to wait for the interpreter lock.
"""

import collections
import os
import pathlib
import struct
import subprocess
import sys
import threading
import time

import numpy as np

RATE = 48_000
PORTS = ("melos-audio:left", "melos-audio:right")
# Of a block: its arrival time, its first frame on the server's clock, its length, and whether both ports are connected.
HEAD = struct.Struct("<dII?")
# Silence threshold (-80 dB), and the minimum length of an audible silence in seconds.
SILENT, LONG = 1e-4, 0.1
# A click is a step whose change of slope is this many times that of its surroundings (10 ms on either side).
AROUND, NEAR, FACTOR, LEAST = 480, 8, 7, 0.004
# Music is never exactly zero for this many frames; such a run is a missing block.
HOLE = 64
CHUNK = 10 * RATE


def listen():
    """Writes every block until the server exits."""
    import jack

    # The callback must acquire the interpreter lock well within a period.
    sys.setswitchinterval(0.0002)
    client = jack.Client("monitor", no_start_server=True)
    ports = [client.inports.register(side) for side in ("left", "right")]
    blocks = collections.deque()

    @client.set_process_callback
    def process(frames):
        sound = [port.get_array().copy() for port in ports]
        connected = all(port.number_of_connections for port in ports)
        blocks.append((time.monotonic(), client.last_frame_time, frames, connected, sound))

    @client.set_shutdown_callback
    def shutdown(*_):
        os._exit(0)

    client.activate()
    while True:
        time.sleep(0.01)
        there = {port.name for port in client.get_ports(PORTS[0].split(":")[0] + ":", is_audio=True, is_output=True)}
        if there.issuperset(PORTS) and not all(port.connections for port in ports):
            for theirs, ours in zip(PORTS, ports):
                client.connect(theirs, ours)
        while blocks:
            *head, sound = blocks.popleft()
            sys.stdout.buffer.write(HEAD.pack(*head) + np.stack(sound, 1).tobytes())
        sys.stdout.buffer.flush()


def runs(true):
    """Returns start and end of every run of true values."""
    return np.flatnonzero(np.diff(np.concatenate(([0], true.astype(np.int8), [0])))).reshape(-1, 2)


def silences(sound):
    """Returns start and end, in frames, of every audible silence."""
    return [(begin, end) for begin, end in runs(np.abs(sound).max(1) < SILENT) if end - begin >= LONG * RATE]


def clicks(sound):
    """Returns the frames at which a channel has an unusual step."""
    found = set()
    for channel in sound.T.astype(np.float64):
        slope = np.abs(np.diff(channel, 2))
        energy = np.concatenate(([0], np.cumsum(slope**2)))
        at = np.flatnonzero(slope > LEAST)
        at = at[(at >= AROUND) & (at < len(slope) - AROUND)]
        mean = lambda begin, end: np.sqrt((energy[end] - energy[begin]) / (AROUND - NEAR))
        usual = np.maximum(mean(at - AROUND, at - NEAR), mean(at + NEAR + 1, at + AROUND + 1))
        found.update(int(frame) for frame in at[slope[at] > FACTOR * usual])
    found.update(int(begin) for begin, end in runs((sound == 0).all(1)) if end - begin >= HOLE and 0 < begin and end < len(sound))
    # A step is one click, although its slope changes twice.
    return [frame for frame in sorted(found) if not found & set(range(frame - NEAR, frame))]


class Monitor:
    """Listens until closed. `silences` are pairs of time and duration in seconds, `clicks` are times, and `first` are the
    times of the first sound after every (re)start, all on the monotonic clock; `missed` counts blocks that the listener
    itself missed. The blocks around a click are saved in a folder as numpy files, for inspection."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.silences, self.clicks, self.first = [], [], []
        self.frames_heard = self.missed = 0
        self.past = collections.deque(maxlen=2 * CHUNK // 1024)
        self.open, self.process = True, None
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def close(self):
        self.open = False
        self.process.terminate()
        self.thread.join()

    def _listen(self):
        while self.open:
            self.process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self._read_process(self.process.stdout)
            self.process.wait()
            time.sleep(0.05)

    def _read_process(self, pipe):
        """Processes the audio of one recorder process."""
        blocks, next_frame, last = [], None, None
        while head := pipe.read(HEAD.size):
            if len(head) < HEAD.size:
                break
            arrival, frame, frames, connected = HEAD.unpack(head)
            data = pipe.read(frames * 8)
            if len(data) < frames * 8:
                break
            sound = np.frombuffer(data, "<f4").reshape(-1, 2)
            self.past.append((frame, connected, sound))
            if next_frame is not None and not connected:
                # Without the ports, there is silence until they are reconnected, but reconnecting is not a click.
                self._examine(blocks, True)
                blocks, next_frame, last = [], None, arrival
            if next_frame is None:
                if not connected or np.abs(sound).max(0).min() < SILENT:
                    continue
                self.first.append(arrival)
                if last is not None and arrival - last >= LONG:
                    self.silences.append((last, arrival - last))
            elif next_frame != frame:
                # Frames were lost, so a new segment starts here. A server that had hung runs a cycle twice, the first time
                # while Melos is still writing the block.
                if blocks and (frame + frames) % 2**32 == next_frame:
                    blocks.pop()
                self.missed += 1
                self._examine(blocks, True)
                blocks = []
            next_frame = (frame + frames) % 2**32
            blocks.append((arrival, sound))
            self.frames_heard += frames
            if len(blocks) * frames >= CHUNK:
                blocks = self._examine(blocks, False)
        self._examine(blocks, True)

    def _examine(self, blocks, ends):
        """Analyses a segment and returns its last blocks, which also belong to the next one."""
        if not blocks:
            return []
        sound, size = np.concatenate([sound for _, sound in blocks]), len(blocks[0][1])
        when = lambda frame: blocks[frame // size][0]
        for frame in clicks(sound):
            if when(frame) not in self.clicks:
                self.clicks.append(when(frame))
                frames, connected, past = zip(*self.past)
                np.savez(self.folder / f"click-{len(self.clicks)}-{when(frame):.2f}.npz", frame=frame % size, block=blocks[frame // size][1],
                         frames=frames, connected=connected, sound=np.stack(past))
        kept = len(blocks) - 1
        for begin, end in silences(sound):
            if end == len(sound) and not ends and begin > 0:
                kept = min(kept, begin // size)
            else:
                self.silences.append((when(begin), (end - begin) / RATE))
        return blocks[kept:]


if __name__ == "__main__":
    listen()
