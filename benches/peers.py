"""Compares the cost of generating sound: Melos, its networks in PyTorch and in ONNX Runtime, Griffin-Lim, RAVE and FluidSynth.

Every program runs on one thread, as fast as it can. The cost is the processor time per second of sound after the first
block, which is meaningful even on a busy machine. The Python programs are support/peer_*.py.
"""

import os
import pathlib
import subprocess
import tempfile
import time

from testbed import RATE, processor_seconds

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUPPORT, MODEL = ROOT / "benches/support", ROOT / "models/melos-piano"
TRAINING = os.environ.get("MELOS_TRAINING_PYTHON", f"{ROOT}/models/training/.venv/bin/python")
RAVE = f"{ROOT}/target/peers/bin/python"
SOUNDFONT = os.environ.get("MELOS_SOUNDFONT", "/usr/share/sounds/sf2/FluidR3_GM.sf2")
# Number of rounds, in each of which every program runs once.
ROUNDS = 3
LATENT, HOP, PERIOD = 4096, 512, 64
# Seconds of music that Melos and FluidSynth play, and seconds per Griffin-Lim clip.
MUSIC, CLIP = 60, 30
# Mono float32 and stereo int16 are both 4 bytes a frame.
BYTES_PER_FRAME = 4
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def measure_program(command, block):
    """Runs a program that writes audio to standard output in blocks of `block` frames; returns its cost, its peak memory in megabytes, and
    the time and processor time to its first block, in seconds.

    If `block` is None, the output is the progress of `melos render`, whose first line follows the first latent.
    """
    started = time.monotonic()
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": f"{ROOT}/models/training", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process.stdout as output, process.stderr as errors:
        first = output.readline() if block is None else output.read(BYTES_PER_FRAME * block)
        first_wall, first_cpu = time.monotonic() - started, processor_seconds(process)
        rest = len(output.read())
        error_output = errors.read().decode()
        _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode or not first or not rest:
        raise SystemExit(f"{' '.join(map(str, command))}\n{error_output}")
    seconds = MUSIC - LATENT / RATE if block is None else rest / BYTES_PER_FRAME / RATE
    return {
        "cost": (usage.ru_utime + usage.ru_stime - first_cpu) / seconds,
        "memory": usage.ru_maxrss / 1000,
        "first_wall": first_wall, "first_cpu": first_cpu,
    }


def programs(melos, folder):
    """Returns each program's command and the number of frames in its first block, or None for `melos render`."""
    render = [melos, "render", "--emotion", "romantic", "--seconds", str(MUSIC), "--progress", "-o", f"{folder}/melos.wav"]
    griffin_lim = [TRAINING, SUPPORT / "peer_griffin_lim.py", MODEL, str(CLIP)]
    synthesiser = ["fluidsynth", "-niq", "-r", str(RATE), "-z", str(PERIOD), "-T", "raw", "-O", "s16", "-F", "/dev/stdout"]
    return {
        "melos": (render, None),
        "melos, network alone": ([*render, "--no-harmony", "--midi", f"{folder}/notes.mid"], None),
        "pytorch": ([TRAINING, SUPPORT / "peer_networks.py", MODEL, "torch"], LATENT),
        "onnxruntime": ([TRAINING, SUPPORT / "peer_networks.py", MODEL, "onnxruntime"], LATENT),
        "griffin-lim": ([*griffin_lim, "pseudo-inverse"], CLIP * RATE // HOP * HOP),
        "griffin-lim, least squares": ([*griffin_lim, "least-squares"], CLIP * RATE // HOP * HOP),
        "rave": ([RAVE, SUPPORT / "peer_rave.py", str(MUSIC // 3 * RATE // LATENT)], LATENT),
        "fluidsynth": ([*synthesiser, SOUNDFONT, f"{folder}/notes.mid"], PERIOD),
    }


def peers(melos):
    """Returns the measurements of each program, one per round."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for round_index in range(ROUNDS):
            for name, (command, block) in programs(melos, folder).items():
                result = measure_program(command, block)
                results.setdefault(name, []).append(result)
                print(f"  {round_index + 1}/{ROUNDS} {name}: {result['cost']:.3f} s of processor time per second of sound; first sound after {result['first_cpu']:.2f} s of processor time", flush=True)
    return results
