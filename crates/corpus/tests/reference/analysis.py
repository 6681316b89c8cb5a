"""Measures sounds with librosa, for comparison with `melos-corpus analyze`.

    python crates/corpus/tests/reference/analysis.py golden                        writes the expected values of the tests,
                                                                                   crates/corpus/tests/data/analysis.json
    python crates/corpus/tests/reference/analysis.py compare MELOS_CORPUS FILE...  prints differences and times for real files

Needs numpy, librosa 0.11 and soundfile. Set OMP_NUM_THREADS=1 to time librosa on one core.
"""

import json
import pathlib
import subprocess
import sys
import time

import librosa
import numpy as np

RATE, N_FFT, HOP, BANDS, LOW, HIGH, FLOOR = 48_000, 2048, 512, 128, 30, 18_000, 1e-5
EVERY = 16


def signal():
    """Generates six seconds of decaying harmonic notes with a noisy attack, as tests/corpus_tools/analysis.rs does."""
    total = np.zeros(6 * RATE)
    state = 1
    for index, note in enumerate([45, 57, 60, 64, 52, 59, 62, 67, 48, 55, 72, 76]):
        start, hertz = index * RATE // 2, 440 * 2 ** ((note - 69) / 12)
        t = np.arange(len(total) - start) / RATE
        for partial in range(1, 9):
            total[start:] += 0.2 / partial**1.5 * np.exp(-(2 + partial) * t) * np.sin(2 * np.pi * hertz * partial * t)
        for i in range(960):
            state = (state * 1_103_515_245 + 12_345) % 2**31
            total[start + i] += 0.05 * (1 - i / 960) * (state / 2**30 - 1)
    return total.astype(np.float32)


def measure(y):
    """Computes all measurements of a mono signal at 48 kHz, each transform only once; time is the first axis."""
    spectrum = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP, center=True, pad_mode="constant"))
    mel = librosa.feature.melspectrogram(S=spectrum, sr=RATE, n_mels=BANDS, fmin=LOW, fmax=HIGH)
    mel = np.log(np.maximum(mel, FLOOR))
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=13)
    strength = librosa.onset.onset_strength(S=mel * 20 / np.log(10), sr=RATE, hop_length=HOP, center=False)
    tempo, beats = librosa.beat.beat_track(onset_envelope=strength, sr=RATE, hop_length=HOP)
    return {
        "mel": mel.T,
        "rms": librosa.feature.rms(y=y, frame_length=N_FFT, hop_length=HOP)[0],
        "centroid": librosa.feature.spectral_centroid(S=spectrum, sr=RATE)[0],
        "rolloff": librosa.feature.spectral_rolloff(S=spectrum, sr=RATE)[0],
        "flatness": librosa.feature.spectral_flatness(S=spectrum)[0],
        "zero_crossings": librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP)[0],
        "mfcc": mfcc.T,
        "mfcc_delta": librosa.feature.delta(mfcc).T,
        "chroma": librosa.feature.chroma_stft(S=spectrum**2, sr=RATE, n_fft=N_FFT, tuning=0).T,
        "tempo_bpm": float(np.atleast_1d(tempo)[0]),
        "beats": librosa.frames_to_time(beats, sr=RATE, hop_length=HOP),
    }


def golden():
    values = measure(signal().astype(np.float64))  # in float64, to avoid librosa's rounding errors
    data = {"every": EVERY, "tempo_bpm": values["tempo_bpm"], "beats": [round(float(b), 4) for b in values["beats"]]}
    for name in ["mel", "rms", "centroid", "rolloff", "flatness", "zero_crossings", "mfcc", "mfcc_delta", "chroma"]:
        frames = values[name][:: 4 * EVERY if name == "mel" else EVERY]
        data[name] = json.loads(json.dumps(frames.tolist()), parse_float=lambda x: float(f"{float(x):.7g}"))
    path = pathlib.Path(__file__).parent.parent / "data" / "analysis.json"
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n")


def f_measure(found, true, tolerance=0.07):
    correct = sum(any(abs(f - t) <= tolerance for t in true) for f in found)
    detected = sum(any(abs(f - t) <= tolerance for f in found) for t in true)
    precision, recall = correct / max(len(found), 1), detected / max(len(true), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def compare(melos_corpus, files):
    import soundfile

    measure(signal())  # makes librosa compile its functions before they are timed
    for file in files:
        started = time.perf_counter()
        y, rate = soundfile.read(file, dtype="float32", always_2d=True)
        y = y.mean(axis=1)
        if rate != RATE:
            y = librosa.resample(y, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
        reference = measure(y)
        librosa_seconds = time.perf_counter() - started
        started = time.perf_counter()
        subprocess.run([melos_corpus, "analyze", "--json", file], check=True, stdout=subprocess.DEVNULL)
        melos_seconds = time.perf_counter() - started
        text = subprocess.run([melos_corpus, "analyze", "--json", "--frames", file], check=True, capture_output=True).stdout
        measured = json.loads(text)[0]
        print(f"{file}: {measured['seconds']:.1f} s; librosa {librosa_seconds:.2f} s, melos {melos_seconds:.2f} s, "
              f"ratio {librosa_seconds / melos_seconds:.1f}")
        print(f"  tempo {measured['tempo_bpm']:.1f} against {reference['tempo_bpm']:.1f} BPM, beats with an F-measure "
              f"(70 ms) of {f_measure(measured['beats'], reference['beats']):.3f}; key {measured['key']}")
        for name, value in measured["frames"].items():
            if name == "per_second":
                continue
            expected = np.asarray(reference[name], dtype=np.float64)
            value = np.asarray(value)[: len(expected)]
            error = np.abs(value - expected[: len(value)])
            print(f"  {name:<16} largest {error.max():.2e}, 99.9% below {np.quantile(error, 0.999):.2e}, "
                  f"range {expected.min():.3g} to {expected.max():.3g}")


if __name__ == "__main__":
    if sys.argv[1:] == ["golden"]:
        golden()
    elif len(sys.argv) > 3 and sys.argv[1] == "compare":
        compare(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)
