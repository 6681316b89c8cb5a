"""Measures trained networks on held-out shards: the numbers of the model card."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from torch import Tensor

from .arrays import Floats
from .checkpoint import load_average
from .constants import (
    CONDITION_GROUPS,
    FRAMES_PER_SECOND,
    HOP,
    LATENT_FRAMES,
    LOOK_AHEAD,
    MEL_MAX_HZ,
    MEL_MIN_HZ,
    N_FFT,
    SAMPLE_RATE,
    scaled_density,
    scaled_loudness,
)
from .data import Shards
from .generate import condition_row, generate, sound
from .latents import encode
from .measure import log_spectral_distance, spectral_convergence
from .mel import inverse_spectrum, log_mel, spectrum
from .train_transformer import LENGTH, evaluate_transformer
from .train_vae import evaluate_vae
from .transformer import Transformer
from .vae import Vae
from .vocoder import Vocoder

EXCERPTS = 12
EXCERPT_FRAMES = 480
WARM_UP = 64
"""Frames of each excerpt that only prepare the vocoder."""

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
Chord = tuple[int, tuple[int, int, int]]
Mood = tuple[tuple[float, float], list[Chord], float, float]
MOODS: dict[str, Mood] = {
    # name: (valence, arousal), chord roots and qualities, onsets a second, velocity
    "happy": ((0.7, 0.5), [(0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)], 8.0, 76),
    "sad": ((-0.7, -0.5), [(9, MINOR), (5, MAJOR), (2, MINOR), (4, MINOR)], 2.5, 48),
    "angry": ((-0.7, 0.8), [(9, MINOR), (8, MAJOR), (9, MINOR), (4, MAJOR)], 12.0, 90),
    "calm": ((0.4, -0.7), [(0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)], 2.5, 46),
}


def _griffin_lim(audio: Tensor) -> Floats:
    """NNLS inversion of the mel and 32 iterations of Griffin-Lim, both librosa's."""
    options: dict[str, Any] = {"sr": SAMPLE_RATE, "n_fft": N_FFT, "fmin": MEL_MIN_HZ, "fmax": MEL_MAX_HZ, "power": 1}
    mel = log_mel(spectrum(audio, center=True).abs())[0].numpy().T
    magnitude = librosa.feature.inverse.mel_to_stft(np.exp(mel), **options)
    return librosa.griffinlim(
        magnitude, n_iter=32, hop_length=HOP, n_fft=N_FFT, length=audio.shape[1], random_state=0, pad_mode="constant"
    )


def copy_synthesis(vocoder: Vocoder, shards: Shards) -> dict[str, dict[str, float]]:
    """Log-spectral distance and spectral convergence of the vocoder and of Griffin-Lim on the same excerpts."""
    excerpts = torch.from_numpy(shards.audio(np.random.default_rng(2), EXCERPTS, EXCERPT_FRAMES))
    first = WARM_UP * HOP + N_FFT // 2
    results: dict[str, list[tuple[float, float]]] = {"vocoder": [], "griffin_lim_32": []}
    seconds = dict.fromkeys(results, 0.0)
    for audio in excerpts[:, None]:
        length = (EXCERPT_FRAMES - WARM_UP - LOOK_AHEAD - 1) * HOP
        heard = audio[:, first : first + length]
        begun = time.process_time()
        with torch.no_grad():
            real, imag = vocoder(log_mel(spectrum(audio).abs()))
            ours = inverse_spectrum(torch.complex(real, imag)[:, WARM_UP + LOOK_AHEAD :])
        seconds["vocoder"] += time.process_time() - begun
        begun = time.process_time()
        theirs = torch.from_numpy(_griffin_lim(audio))[None][:, first : first + length]
        seconds["griffin_lim_32"] += time.process_time() - begun
        for name, result in (("vocoder", ours), ("griffin_lim_32", theirs)):
            results[name].append((log_spectral_distance(result, heard), spectral_convergence(result, heard)))
    duration = EXCERPTS * EXCERPT_FRAMES / FRAMES_PER_SECOND
    return {
        name: {
            "lsd_db": float(np.mean([v[0] for v in values])),
            "convergence": float(np.mean([v[1] for v in values])),
            "cpu_seconds_per_second": seconds[name] / duration,
        }
        for name, values in results.items()
    }


def sequence_loss(transformer: Transformer, vae: Vae, shards: Shards) -> dict[str, float]:
    """Flow-matching loss on held-out windows, by conditions."""
    latents, conditions = [], []
    for shard in shards.shards[:: max(1, len(shards) // 64)]:
        count = shard.frames // LATENT_FRAMES
        start = (count - LENGTH) // 2
        z = encode(vae.encoder, shard.read("mel"))[start : start + LENGTH]
        latents.append((torch.from_numpy(z) - transformer.mean) / transformer.deviation)
        conditions.append(torch.from_numpy(shard.read("conditions", start, start + LENGTH)))
    return {"windows": len(latents)} | evaluate_transformer(transformer, torch.stack(latents), torch.stack(conditions))


def mood_conditions(name: str, count: int, latents_per_chord: int = 24) -> Floats:
    """Conditions [count, 52] of one of four moods over a chord progression."""
    affect, progression, density, velocity = MOODS[name]
    rows = []
    for i in range(count):
        root, quality = progression[i // latents_per_chord % len(progression)]
        chord = np.zeros(12, np.float32)
        chord[[(root + interval) % 12 for interval in quality]] = 1
        rows.append(
            condition_row(
                affect=affect,
                chord=chord,
                bass=np.eye(12, dtype=np.float32)[root],
                density=scaled_density(density),
                loudness=scaled_loudness(velocity),
            )
        )
    return np.stack(rows)


def _attacks(mel: Tensor) -> float:
    """Rough onsets a second: peaks of the rise of the log-mel."""
    rise = np.maximum(0, np.diff(mel.numpy(), axis=0)).mean(1)
    peaks = librosa.util.peak_pick(rise, pre_max=3, post_max=3, pre_avg=10, post_avg=10, delta=0.08, wait=4)
    return len(peaks) / (len(mel) / FRAMES_PER_SECOND)


def play_moods(
    transformer: Transformer, vae: Vae, vocoder: Vocoder, folder: Path, seconds: float = 20
) -> dict[str, dict[str, Any]]:
    """Renders each mood; level in four quarters, attacks a second and share of chroma inside the requested triads."""
    count = int(seconds * FRAMES_PER_SECOND / LATENT_FRAMES)
    results = {}
    for name in MOODS:
        conditions = mood_conditions(name, count)
        latents = generate(transformer, conditions, guidance=2.0)
        mel, audio = sound(vae.decoder, vocoder, latents)
        samples = audio.numpy()
        soundfile.write(folder / f"{name}.wav", np.clip(samples, -1, 1), SAMPLE_RATE)
        quarters = [20 * np.log10(np.sqrt(np.mean(part**2)) + 1e-9) for part in np.array_split(samples, 4)]
        chroma = librosa.feature.chroma_cqt(y=samples, sr=SAMPLE_RATE, hop_length=4096, norm=None)
        asked = conditions[: chroma.shape[1], slice(*CONDITION_GROUPS["chord"])].T
        chroma = chroma[:, : asked.shape[1]]
        shares = [float((chroma * np.roll(asked, turn, 0)).sum() / chroma.sum()) for turn in range(12)]
        results[name] = {
            "level_db_by_quarter": [round(float(q), 1) for q in quarters],
            "attacks_per_second": round(_attacks(mel), 2),
            "chord_share": round(shares[0], 3),
            "transposed_share": round(float(np.mean(shares[1:])), 3),
        }
    return results


def report(vae: Path, vocoder: Path, transformer: Path, shards: Sequence[Path], out: Path) -> None:
    """Writes `report.json` and the rendered moods into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    networks = Vae(), Vocoder(), Transformer()
    steps = {}
    for name, network, path in zip(("vae", "vocoder", "transformer"), networks, (vae, vocoder, transformer)):
        saved = load_average(network, path)
        steps[name] = {"steps": saved["step"], "minutes": round(saved["spent"] / 60, 1)}
    coder, voice, player = networks
    held_out = Shards(shards, "test", min_frames=LENGTH * LATENT_FRAMES)
    with_sound = Shards(shards, "test", needs_audio=True, min_frames=EXCERPT_FRAMES + 4)
    with torch.no_grad():
        result = {
            "training": steps,
            "held_out_shards": len(held_out),
            "vae": evaluate_vae(coder, held_out, np.random.default_rng(3), 16),
            "vocoder": copy_synthesis(voice, with_sound),
            "transformer": sequence_loss(player, coder, held_out),
            "moods": play_moods(player, coder, voice, out),
        }
    text = json.dumps(result, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    print(text)
