"""Tests networks with random weights, in particular that streaming gives the same results as whole sequences."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from melos_training import graphs
from melos_training.constants import LOG_FLOOR, N_FFT
from melos_training.losses import audio_loss, mel_loss
from melos_training.mel import inverse_spectrum, log_mel, spectrum
from melos_training.pianist.layout import ROLL
from melos_training.pianist.network import Pianist, Prior
from melos_training.pianist.windows import MOOD
from melos_training.train_vocoder import through_pianist
from melos_training.vocoder import Vocoder


@pytest.fixture(scope="module", autouse=True)
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def stream(graph: graphs.VocoderGraph, rows: Sequence[Tensor]) -> list[Tensor]:
    size = graph.vocoder.state_size()
    state = torch.zeros(1, size)
    results = []
    for row in rows:
        *outputs, state = graph(row, state)
        assert state.shape == (1, size)
        results.append(outputs)
    return [torch.cat([result[i] for result in results], 1) for i in range(len(results[0]))]


def test_streaming_the_vocoder_matches_the_whole_sequence() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder()
    torch.nn.init.normal_(vocoder.magnitude.weight, std=0.02)
    mel = torch.randn(1, 64, 128) * 2 - 6
    whole = vocoder(mel)
    streamed = stream(graphs.VocoderGraph(vocoder), mel.split(8, 1))
    actual, expected = (inverse_spectrum(torch.complex(*parts)) for parts in (streamed, whole))
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_vocoder_looks_two_frames_ahead() -> None:
    vocoder = Vocoder()
    mel = torch.randn(1, 32, 128) * 2 - 6
    changed = mel.clone()
    changed[:, 20:] += 1
    difference = (vocoder(mel)[0] - vocoder(changed)[0]).abs().amax((0, 2))
    # Output i corresponds to frame i - 2, so the change at input 20 affects frames from 18 on.
    assert difference[:20].max() == 0
    assert difference[20] > 0


def test_only_the_first_windows_pass_through_the_pianist() -> None:
    torch.manual_seed(0)
    pianist, mel, roll = Pianist(2, 4).eval(), torch.randn(4, 80, 128) * 2 - 6, torch.rand(4, 80, ROLL)
    reconstructed = through_pianist(pianist, mel, roll, torch.tensor([0, 1, 0, 1]), 2)
    torch.testing.assert_close(reconstructed[2:], mel[2:], atol=0, rtol=0)
    assert (reconstructed[:2] - mel[:2]).abs().mean() > 0.1
    assert reconstructed[:2].min() >= LOG_FLOOR


def test_networks_compute_on_the_device_of_their_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uses the device `meta`, on which a tensor in main memory is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # `meta` does not support it
    pianist, vocoder = Pianist(2, 4).to("meta"), Vocoder().to("meta")
    audio = torch.zeros(2, 20 * N_FFT, device="meta")
    mel, roll = log_mel(spectrum(audio).abs())[:, :64], torch.zeros(2, 64, ROLL, device="meta")
    reconstructed = through_pianist(pianist, mel, roll, torch.zeros(2, dtype=torch.long, device="meta"), 1)
    assert vocoder(reconstructed)[0].device.type == "meta"
    assert mel_loss(reconstructed, mel).device.type == "meta"
    prior = Prior(2, 4, MOOD).to("meta")
    latents, mood = torch.zeros(2, 8, 4, device="meta"), torch.zeros(2, 8, MOOD, device="meta")
    assert prior(latents, roll, torch.zeros(2, 2, device="meta"), mood)[0].device.type == "meta"
    assert audio_loss(audio, audio).device.type == "meta"
