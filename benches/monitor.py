"""Monitors what Melos plays through JACK. Run as a program, this module writes the audio to standard output; `Monitor` runs it in a
child process, restarts that process whenever the server has stopped, and counts silences and clicks.

A JACK client inside the controlling program would die with the server and would have to wait for the interpreter lock.
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
# The header of a block: arrival time, first frame on the server's clock, length, and whether both ports are connected.
HEADER = struct.Struct("<dII?")
# Silence threshold (-80 dB), and the minimum length of an audible silence in seconds.
SILENCE_LEVEL, MIN_SILENCE = 1e-4, 0.1
# A click is a second difference that is above MIN_STEP and more than CLICK_RATIO times the RMS of the second differences, both before
# and after it. Each RMS is taken over CONTEXT frames, except the nearest NEAR frames.
CONTEXT, NEAR, CLICK_RATIO, MIN_STEP = 480, 8, 7, 0.004
# Music is never exactly zero for this many frames; such a run of zeros is a missing block.
MISSING_BLOCK = 64
# Frames analysed at once.
CHUNK = 10 * RATE


def record():
    """Writes every block to standard output until the server exits."""
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
        available = {port.name for port in client.get_ports(PORTS[0].split(":")[0] + ":", is_audio=True, is_output=True)}
        if available.issuperset(PORTS) and not all(port.connections for port in ports):
            for source, destination in zip(PORTS, ports):
                client.connect(source, destination)
        while blocks:
            *header, sound = blocks.popleft()
            sys.stdout.buffer.write(HEADER.pack(*header) + np.stack(sound, 1).tobytes())
        sys.stdout.buffer.flush()


def runs(mask):
    """Returns the start and end of every run of true values."""
    return np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0])))).reshape(-1, 2)


def silences(sound):
    """Returns the start and end, in frames, of every audible silence."""
    return [(begin, end) for begin, end in runs(np.abs(sound).max(1) < SILENCE_LEVEL) if end - begin >= MIN_SILENCE * RATE]


def clicks(sound):
    """Returns the frames at which a channel clicks or a missing block begins."""
    frames = set()
    for channel in sound.T.astype(np.float64):
        difference = np.abs(np.diff(channel, 2))
        energy = np.concatenate(([0], np.cumsum(difference**2)))
        steps = np.flatnonzero(difference > MIN_STEP)
        steps = steps[(steps >= CONTEXT) & (steps < len(difference) - CONTEXT)]
        rms = lambda begin, end: np.sqrt((energy[end] - energy[begin]) / (CONTEXT - NEAR))
        context_rms = np.maximum(rms(steps - CONTEXT, steps - NEAR), rms(steps + NEAR + 1, steps + CONTEXT + 1))
        frames.update(int(frame) for frame in steps[difference[steps] > CLICK_RATIO * context_rms])
    frames.update(int(begin) for begin, end in runs((sound == 0).all(1)) if end - begin >= MISSING_BLOCK and 0 < begin and end < len(sound))
    # A step is one click, although it causes two large second differences.
    return [frame for frame in sorted(frames) if not frames & set(range(frame - NEAR, frame))]


class Monitor:
    """Monitors the output until closed. `silences` contains pairs of a time and a duration in seconds, `clicks` contains times,
    and `first_sounds` contains the time of the first sound after each start of the server or of Melos; all times are on the monotonic
    clock. `missed` counts gaps in the recorded blocks. The blocks around a click are saved in a folder as NumPy files, for inspection."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.silences, self.clicks, self.first_sounds = [], [], []
        self.frames_recorded = self.missed = 0
        self.past = collections.deque(maxlen=2 * CHUNK // 1024)
        self.is_open, self.recorder = True, None
        self.thread = threading.Thread(target=self._record, daemon=True)
        self.thread.start()

    def close(self):
        self.is_open = False
        if self.recorder:
            self.recorder.terminate()
        self.thread.join()

    def _record(self):
        while self.is_open:
            self.recorder = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self._read_process(self.recorder.stdout)
            self.recorder.wait()
            time.sleep(0.05)

    def _read_process(self, pipe):
        """Reads and analyses the audio from one recorder process."""
        blocks, next_frame, last = [], None, None
        while header := pipe.read(HEADER.size):
            if len(header) < HEADER.size:
                break
            arrival, frame, frames, connected = HEADER.unpack(header)
            data = pipe.read(frames * 8)
            if len(data) < frames * 8:
                break
            sound = np.frombuffer(data, "<f4").reshape(-1, 2)
            self.past.append((frame, connected, sound))
            if next_frame is not None and not connected:
                # The time for which the ports are disconnected counts as a silence, but reconnecting them does not count as a click.
                self._analyse(blocks, True)
                blocks, next_frame, last = [], None, arrival
            if next_frame is None:
                if not connected or np.abs(sound).max(0).min() < SILENCE_LEVEL:
                    continue
                self.first_sounds.append(arrival)
                if last is not None and arrival - last >= MIN_SILENCE:
                    self.silences.append((last, arrival - last))
            elif next_frame != frame:
                # Frames were lost, so the analysis starts afresh here. After a hang, the server repeats the last cycle; the
                # first copy is dropped, because Melos was still writing that block.
                if blocks and (frame + frames) % 2**32 == next_frame:
                    blocks.pop()
                self.missed += 1
                self._analyse(blocks, True)
                blocks = []
            next_frame = (frame + frames) % 2**32
            blocks.append((arrival, sound))
            self.frames_recorded += frames
            if len(blocks) * frames >= CHUNK:
                blocks = self._analyse(blocks, False)
        self._analyse(blocks, True)

    def _analyse(self, blocks, is_last):
        """Analyses contiguous blocks and returns the last of them, which the next analysis must include."""
        if not blocks:
            return []
        sound, size = np.concatenate([sound for _, sound in blocks]), len(blocks[0][1])
        arrival_of = lambda frame: blocks[frame // size][0]
        for frame in clicks(sound):
            if arrival_of(frame) not in self.clicks:
                self.clicks.append(arrival_of(frame))
                frames, connected, past = zip(*self.past)
                np.savez(self.folder / f"click-{len(self.clicks)}-{arrival_of(frame):.2f}.npz", frame=frame % size, block=blocks[frame // size][1],
                         frames=frames, connected=connected, sound=np.stack(past))
        kept = len(blocks) - 1
        for begin, end in silences(sound):
            if end == len(sound) and not is_last and begin > 0:
                kept = min(kept, begin // size)
            else:
                self.silences.append((arrival_of(begin), (end - begin) / RATE))
        return blocks[kept:]


if __name__ == "__main__":
    record()
