"""Streaming equals whole, for networks with random weights."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from melos_training import graphs
from melos_training.constants import LOG_FLOOR, N_FFT
from melos_training.losses import audio_loss, mel_loss
from melos_training.mel import inverse_spectrum, log_mel, spectrum
from melos_training.runs import TransformerRun
from melos_training.train_transformer import drop_conditions, flow_loss, previous_latents
from melos_training.train_vocoder import retold
from melos_training.transformer import WINDOW, Transformer
from melos_training.vae import Vae
from melos_training.vectors import Player
from melos_training.vocoder import Vocoder


@pytest.fixture(scope="module", autouse=True)
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def stream(graph: Any, rows: Sequence[Tensor]) -> list[Tensor]:
    state = torch.zeros(1, graph.state_size)
    results = []
    for row in rows:
        *outputs, state = graph(row, state)
        assert state.shape == (1, graph.state_size)
        results.append(outputs)
    return [torch.cat([result[i] for result in results], 1) for i in range(len(results[0]))]


def test_decoder() -> None:
    torch.manual_seed(0)
    decoder = Vae().decoder
    z = torch.randn(1, 12, 32)
    (streamed,) = stream(graphs.DecoderGraph(decoder), z[0].split(1))
    torch.testing.assert_close(streamed, decoder(z), atol=1e-4, rtol=0)


def test_decoder_sees_no_later_latent() -> None:
    decoder = Vae().decoder
    z = torch.randn(1, 6, 32)
    changed = z.clone()
    changed[:, 4:] += 1
    difference = (decoder(z) - decoder(changed)).abs().amax((0, 2))
    assert difference[:32].max() == 0
    assert difference[32] > 0


def test_vocoder() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder()
    torch.nn.init.normal_(vocoder.magnitude.weight, std=0.02)
    mel = torch.randn(1, 64, 128) * 2 - 6
    whole = vocoder(mel)
    streamed = stream(graphs.VocoderGraph(vocoder), mel.split(8, 1))
    ours, theirs = (inverse_spectrum(torch.complex(*parts)) for parts in (streamed, whole))
    assert theirs.abs().max() > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_vocoder_looks_two_frames_ahead() -> None:
    vocoder = Vocoder()
    mel = torch.randn(1, 32, 128) * 2 - 6
    changed = mel.clone()
    changed[:, 20:] += 1
    difference = (vocoder(mel)[0] - vocoder(changed)[0]).abs().amax((0, 2))
    # Output i belongs to frame i - 2, so what input 20 changes first is frame 18.
    assert difference[:20].max() == 0
    assert difference[20] > 0


def test_the_vae_retells_the_first_windows_only() -> None:
    torch.manual_seed(0)
    vae, mel = Vae().eval(), torch.randn(4, 80, 128) * 2 - 6
    told = retold(vae, mel, 2)
    torch.testing.assert_close(told[2:], mel[2:], atol=0, rtol=0)
    assert (told[:2] - mel[:2]).abs().mean() > 0.1
    assert told[:2].min() >= LOG_FLOOR


def test_transformer_past_its_window() -> None:
    torch.manual_seed(0)
    net = Transformer()
    torch.nn.init.normal_(net.head.leave.weight, std=0.05)
    net.mean.normal_()
    net.deviation.uniform_(0.5, 2)
    length = WINDOW + 40
    conditions, noise = torch.randn(length, 2, 52), torch.randn(length, 1, 32)
    player = Player(graphs.TransformerGraph(net))
    latents = torch.cat([player.step(conditions[i], noise[i], 2.0) for i in range(length)])
    standard = (latents - net.mean) / net.deviation
    previous = previous_latents(standard[None]).expand(2, -1, -1)
    context = net.context(previous, conditions.transpose(0, 1))
    whole = torch.cat([net.sample(context[:, i], noise[i], torch.tensor([2.0])) for i in range(length)])
    torch.testing.assert_close(standard, whole, atol=1e-4, rtol=1e-4)


def test_dropping_takes_values_and_mask_together() -> None:
    rates = TransformerRun.model_fields
    drop_all, drop_group = (rates[name].default for name in ("drop_all", "drop_group"))
    ones = np.ones((64, 4, 52), np.float32)
    dropped = drop_conditions(ones, np.random.default_rng(0), drop_all, drop_group)
    whole_windows = 0
    for row in dropped:
        for index, (first, last) in enumerate(((0, 8), (8, 10), (10, 22), (22, 34))):
            assert (row[:, first:last] == row[0, 42 + index]).all()
        whole_windows += row.max() == 0
    assert 1 <= whole_windows <= 20
    assert 0.5 < dropped.mean() < 0.8


def test_everything_is_computed_where_the_input_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device `meta`, which computes nothing, a tensor left in main memory is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # `meta` knows no precision
    vae, vocoder, transformer = Vae().to("meta"), Vocoder().to("meta"), Transformer().to("meta")
    audio = torch.zeros(2, 20 * N_FFT, device="meta")
    mel = log_mel(spectrum(audio).abs())[:, :64]
    told = retold(vae, mel, 1)
    assert vocoder(told)[0].device.type == "meta"
    assert mel_loss(vae(mel)[0], mel).device.type == "meta"
    latents, conditions = torch.zeros(2, 9, 32, device="meta"), torch.zeros(2, 9, 52, device="meta")
    assert flow_loss(transformer, latents, conditions, noise=0.5).device.type == "meta"
    assert audio_loss(audio, audio).device.type == "meta"
