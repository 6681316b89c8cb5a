"""Converts log-mels to audio with librosa, one clip at a time: peer_griffin_lim.py MODEL SECONDS least-squares|pseudo-inverse

The mels are those of the model's test vectors for the decoder, repeated. They are converted to magnitudes by librosa's least squares or
by the cheaper pseudo-inverse of the filter bank, and to audio by 32 iterations of Griffin-Lim. Writes two clips of SECONDS
seconds each to standard output, mono float32 at 48 kHz.
"""

import json
import pathlib
import sys

import librosa
import numpy as np
from safetensors.numpy import load_file

folder, seconds, inversion = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
contract = json.loads((pathlib.Path(__file__).parents[2] / "models/training/melos_training/contract.json").read_text())
rate, mel = contract["audio"]["sample_rate"], contract["mel"]
options = {"sr": rate, "n_fft": mel["n_fft"], "fmin": mel["lowest_hz"], "fmax": mel["highest_hz"]}
frames = int(seconds * rate / mel["hop"]) + 1
mel_frames = load_file(folder / "vectors/decoder.safetensors")["mel"].reshape(-1, mel["bands"])
power = np.exp(np.resize(mel_frames, (frames, mel["bands"])).T)
for _ in range(2):
    if inversion == "least-squares":
        magnitude = librosa.feature.inverse.mel_to_stft(power, power=1, **options)
    else:
        magnitude = np.maximum(np.linalg.pinv(librosa.filters.mel(n_mels=mel["bands"], **options)) @ power, 0)
    sound = librosa.griffinlim(magnitude, n_iter=32, hop_length=mel["hop"], n_fft=mel["n_fft"], random_state=0)
    sys.stdout.buffer.write(sound.astype(np.float32).tobytes())
    sys.stdout.buffer.flush()
