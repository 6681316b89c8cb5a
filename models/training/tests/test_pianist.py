"""Tests the pianist on a tiny corpus with two pianos: its inputs, streaming, training and resuming."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corpus import PIANOS

from melos_training import checkpoint, metrics
from melos_training.constants import LATENT_FRAMES
from melos_training.data import Shards
from melos_training.encoder import divergence
from melos_training.layers import Carry
from melos_training.pianist import sampling, train_pianist, train_prior
from melos_training.pianist.layout import AHEAD, CHANNELS, HOP_SECONDS, KEYS, LOWEST_KEY, ROLL
from melos_training.pianist.losses import attack_loss, attacks, kl_beyond_free_nats, normal_nats
from melos_training.pianist.measure import measure
from melos_training.pianist.network import Decoder, Pianist, Prior, shifted
from melos_training.pianist.roll import Performance, roll
from melos_training.pianist.windows import MOOD, PianoShards
from melos_training.runs import PianistRun, PriorRun, SettingsError, build_run
from melos_training.training import Trainer

RECIPES = Path(__file__).parent.parent / "recipes"


def run(folders: list[Path], out: Path, **options: Any) -> PianistRun:
    settings: dict[str, Any] = {"batch": 2, "frames": 64, "latent": 4, "every": 6, "device": "cpu"}
    settings |= {"shards": folders, "precision": "float32"}
    return PianistRun(out=out, pianos=PIANOS, **(settings | options))


def channel(rows: np.ndarray[Any, Any], name: str, key: int) -> np.ndarray[Any, Any]:
    return rows[:, CHANNELS.index(name) * KEYS + key - LOWEST_KEY]


def test_the_roll_shows_when_keys_are_struck_held_and_released() -> None:
    start, up, end = 10.25 * HOP_SECONDS, 20 * HOP_SECONDS, 30 * HOP_SECONDS
    notes = np.array([[start, end, 60, 127 / 2]], np.float32)
    pedal = np.array([[15 * HOP_SECONDS + 1e-4, 1], [end, 0]], np.float32)
    rows = roll(Performance(notes, np.array([up], np.float32), pedal), 5, 40)
    assert rows.shape == (40, ROLL)
    attack, held = channel(rows, "attack", 60), channel(rows, "held", 60)
    np.testing.assert_allclose(attack[5:7], [0.75, 0.25], atol=1e-4)
    assert attack.sum() == pytest.approx(1)
    np.testing.assert_allclose(channel(rows, "attack_velocity", 60), attack / 2, atol=1e-4)
    assert np.flatnonzero(held).tolist() == list(range(5, 25))
    slow, fast = channel(rows, "slow_decay", 60), channel(rows, "fast_decay", 60)
    assert (fast[6:25] < slow[6:25]).all() and slow[24] == pytest.approx(
        0.5 * np.exp(-18.75 * HOP_SECONDS / 1.5), rel=1e-3
    )
    assert channel(rows, "release", 60)[15] == pytest.approx(1, abs=1e-3)
    assert np.flatnonzero(rows[:, -2]).tolist() == list(range(10, 24)) and rows[:, -1].all()
    assert not channel(rows, "attack", 61).any()


def test_a_roll_does_not_depend_on_the_start_of_its_window(folders: list[Path]) -> None:
    windows = PianoShards(Shards(folders, "train"), PIANOS)
    shard = windows.shards.shards[0]
    _, long, _, _ = windows.window(shard, 0, 160)
    _, short, piano, mood = windows.window(shard, 80, 80)
    np.testing.assert_allclose(long[80:], short, atol=1e-5)
    assert piano == 0 and mood.shape == (10, MOOD)
    assert not long[:, -2:].any(), "the first piano's shards should have no pedal"
    with pytest.raises(SettingsError, match="'grand' is not one"):
        PianoShards(windows.shards, ["spinet"]).window(shard, 0, 16)


def test_attacks_are_the_frames_around_onsets() -> None:
    hops = torch.zeros(1, 32, ROLL)
    hops[0, 10, 40] = 0.5
    # Row 10 of the roll is hop 12 of the mel.
    mask = attacks(hops)[0]
    assert mask.nonzero()[:, 0].tolist() == list(range(10 + AHEAD - 2, 10 + AHEAD + 4))
    mel = torch.zeros(1, 32, 128)
    changed = mel.clone()
    changed[0, 12] = 6
    assert attack_loss(changed, mel, mask[None]).item() == pytest.approx(1)
    assert attack_loss(changed, mel, torch.zeros(1, 32)).item() == 0


def test_free_nats_are_not_penalised_and_the_likelihood_matches_pytorch() -> None:
    nats = torch.tensor([0.05, 0.3])
    assert kl_beyond_free_nats(nats, 0.1).item() == pytest.approx(0.1)
    latents = torch.randn(2, 3, 4)
    normal = torch.distributions.Normal(0.5, 2.0)
    expected = -normal.log_prob(latents).sum(2).mean()
    mean, log_variance = torch.full_like(latents, 0.5), torch.full_like(latents, 2 * np.log(2.0))
    assert normal_nats(latents, mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-5)


def stepwise(network: Decoder | Prior, size: int, count: int, inputs: tuple[torch.Tensor, ...]) -> list[Any]:
    """Runs a network latent by latent, and returns its outputs."""
    state, out = torch.zeros(1, size), []
    for k in range(count):
        frames = slice(LATENT_FRAMES * k, LATENT_FRAMES * (k + 1))
        latents, hops, piano, *mood = inputs
        carry = Carry(state)
        out.append(
            network(latents[:, k : k + 1], hops[:, frames], piano, *(m[:, k : k + 1] for m in mood), carry=carry)
        )
        state = carry.packed()
    return out


@torch.no_grad()
def test_streaming_matches_the_whole_sequence() -> None:
    torch.manual_seed(0)
    count, piano = 6, torch.tensor([1])
    latents, hops, mood = (
        torch.randn(1, count, 4),
        torch.rand(1, LATENT_FRAMES * count, ROLL),
        torch.rand(1, count, MOOD),
    )
    decoder = Decoder(2, 4)
    steps = torch.cat(stepwise(decoder, decoder.state_size(), count, (latents, hops, piano)), 1)
    torch.testing.assert_close(steps, decoder(latents, hops, piano), atol=1e-4, rtol=0)

    prior = Prior(2, 4, MOOD)
    torch.nn.init.normal_(prior.leave.weight, std=0.05)
    mean, log_variance = prior(shifted(latents), hops, piano, mood)
    parts = stepwise(prior, prior.state_size(), count, (shifted(latents), hops, piano, mood))
    torch.testing.assert_close(torch.cat([m for m, _ in parts], 1), mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cat([v for _, v in parts], 1), log_variance, atol=1e-4, rtol=0)


@torch.no_grad()
def test_resampling_approaches_the_latents_of_a_performance() -> None:
    torch.manual_seed(0)
    count, piano = 4, torch.tensor([1])
    hops, mood = torch.rand(1, LATENT_FRAMES * count, ROLL), torch.rand(1, count, MOOD)
    prior = Prior(2, 4, MOOD)
    torch.nn.init.normal_(prior.leave.weight, std=0.05)
    latents = torch.randn(1, count, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "NOISE", 0.0)
        performed = sampling.perform(prior, hops, piano, mood, torch.randn(1, count, 4))
        resampled = sampling.resample(prior, latents, hops, piano, mood)
    torch.testing.assert_close(resampled[:, : sampling.PASSES], performed[:, : sampling.PASSES], atol=1e-4, rtol=0)
    assert (resampled - latents).abs().max() > 0.1


@torch.no_grad()
def test_pianos_can_be_chosen_by_index_or_weights() -> None:
    torch.manual_seed(0)
    decoder = Decoder(2, 4)
    latents, hops = torch.randn(1, 2, 4), torch.rand(1, 16, ROLL)
    grand, upright, both = (decoder(latents, hops, torch.tensor([w])) for w in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5]))
    torch.testing.assert_close(upright, decoder(latents, hops, torch.tensor([1])))
    assert min((both - grand).abs().max(), (both - upright).abs().max()) > 1e-3


@torch.no_grad()
def test_the_decoder_does_not_depend_on_later_input() -> None:
    torch.manual_seed(0)
    decoder = Decoder(2, 4)
    latents, hops, piano = torch.randn(1, 4, 4), torch.rand(1, 32, ROLL), torch.tensor([0])
    before = decoder(latents, hops, piano)
    hops[:, 20:] += 1
    latents[:, 3] += 1
    after = decoder(latents, hops, piano)
    torch.testing.assert_close(after[:, :20], before[:, :20], atol=1e-5, rtol=0)
    assert (after[:, 20] - before[:, 20]).abs().max() > 1e-3
    assert (decoder(latents, hops, torch.tensor([1])) - after).abs().max() > 1e-3, "the piano should make a difference"


def test_training_reduces_errors_and_keeps_latents_active(folders: list[Path], tmp_path: Path) -> None:
    trainer = train_pianist.train(run(folders, tmp_path / "pianist.pt", steps=24, every=12))
    first, last = (record["valid"] for record in trainer.history)
    assert last["mae_db"] < first["mae_db"]
    assert {"mae_db", "attack_db", "notes_db", "notes_attack_db", "nats", "active"} == last.keys()
    assert [record["step"] for record in metrics.read(tmp_path / "pianist.jsonl")] == [12, 24]
    assert last["active"] >= 1 and last["nats"] > 0
    pianist, pianos = train_pianist.load_pianist(tmp_path / "pianist.pt")
    assert isinstance(pianist, Pianist) and pianos == list(PIANOS)

    options: dict[str, Any] = {"shards": folders, "batch": 2, "frames": 64, "device": "cpu", "every": 16}
    prior = PriorRun(out=tmp_path / "prior.pt", pianist=tmp_path / "pianist.pt", steps=16, **options)
    held_out = [record["valid"] for record in train_prior.train(prior).history]
    assert held_out[-1]["nats"] < held_out[-1]["standard_nats"], "the notes and the past should be informative"
    assert np.isfinite(held_out[-1]["own_nats"])

    loaded = train_pianist.load_prior(prior.out, pianist, pianos)
    figures = measure(pianist, loaded, pianos, folders)
    assert figures.keys() == set(PIANOS)
    for numbers in figures.values():
        assert numbers["clips"] == 4 and all(np.isfinite(value) for value in numbers.values())
        assert numbers["pianist"] > 0 and numbers["notes_attack"] > 0
        assert numbers["pianist"] < numbers["performed"], "the posterior should know more than the prior"

    adopted = {"model": pianist.state_dict(), "average": pianist.state_dict(), "step": 0, "spent": 0.0}
    checkpoint.save(adopted, tmp_path / "tuned.pt")
    tuned = train_pianist.train(run(folders, tmp_path / "tuned.pt", steps=2, prior=prior.out)).model.state_dict()
    changed = {name for name, value in pianist.state_dict().items() if not torch.equal(value, tuned[name])}
    assert changed and all(name.startswith("decoder.") for name in changed), "the prior depends on the encoder"


def test_latents_within_their_free_nats_have_no_gradient() -> None:
    """Otherwise, the posterior would collapse to the standard normal."""
    mean = torch.full((1, 8, 2), 0.3, requires_grad=True)
    kl_beyond_free_nats(divergence(mean, torch.zeros_like(mean)), 0.1).backward()
    assert mean.grad is not None and not mean.grad.any()
    large = torch.full((1, 8, 2), 2.0, requires_grad=True)
    kl_beyond_free_nats(divergence(large, torch.zeros_like(large)), 0.1).backward()
    assert large.grad is not None and (large.grad > 0).all()


def test_interrupted_training_resumes_exactly(folders: list[Path], tmp_path: Path) -> None:
    whole = train_pianist.train(run(folders, tmp_path / "whole.pt", steps=6)).model.state_dict()
    # The learning rate depends on the total number of steps, so the first part must be interrupted, not shorter.
    parts = run(folders, tmp_path / "parts.pt", steps=6)
    stop_after(parts, 3)
    resumed = train_pianist.train(parts).model.state_dict()
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def stop_after(settings: PianistRun, steps: int) -> None:
    """Trains for some steps, writes the checkpoint, and stops."""
    done = 0

    class Stop(Exception):
        pass

    original = Trainer._step

    def step(self: Any) -> None:
        nonlocal done
        if done == steps:
            self._save()
            raise Stop
        original(self)
        done += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", step)
        with pytest.raises(Stop):
            train_pianist.train(settings)
    saved = checkpoint.read(settings.out)
    assert saved is not None and saved["step"] == steps


def test_duplicate_names_in_several_folders_keep_their_order(folders: list[Path]) -> None:
    known = Shards(folders, "train")
    paths = [shard.path for shard in known.shards]
    assert len(set(known.order())) < len(paths), "both pianos should play the same pieces"
    assert [shard.path for shard in Shards(folders, "train", order=known.order()).shards] == paths


@pytest.mark.parametrize("network", ["pianist", "prior"])
def test_recipes_name_their_network_and_duration(network: str) -> None:
    settings = build_run(network, RECIPES / f"{network}.toml", {})
    assert settings.network == network and settings.minutes
