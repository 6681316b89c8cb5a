"""Tests that two processes started by `torchrun` train one network with the mean of their gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ENVIRONMENT
from torch import nn

from melos_training import precision, randomness
from melos_training.data import Shards
from melos_training.pianist.network import Pianist
from melos_training.pianist.train_pianist import PianistTask
from melos_training.pianist.windows import PianoShards
from melos_training.runs import PianistRun
from melos_training.training import GRADIENT_NORM

PROCESSES = 2


def torchrun(run: PianistRun) -> str:
    """Trains a run in two processes, and returns their output."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={PROCESSES}"]
    options = [f"--{key}={getattr(run, key)}" for key in ("out", "steps", "device")]
    file = run.out.with_suffix(".toml")
    settings = f"latent = {run.latent}\n"
    settings += f'batch = {run.batch}\nframes = {run.frames}\nprecision = "{run.precision}"\nkl_ramp = {run.kl_ramp}\n'
    file.write_text(f'shards = ["{run.shards[0]}"]\npianos = ["grand"]\n{settings}', encoding="utf-8")
    command = [*launcher, "-m", "melos_training", "pianist", f"--recipe={file}", *options]
    completed = subprocess.run(command, text=True, capture_output=True, env=ENVIRONMENT, timeout=600, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def mean_gradients(run: PianistRun) -> list[torch.Tensor]:
    """Computes the mean gradients of the first step of both processes in a single one, clipped as in training."""
    precision.decide(torch.device("cpu"), run.precision)
    network: Pianist | None = None
    for rank in range(PROCESSES):
        rng = randomness.seed_generators(run.seed, rank)
        training, valid = (
            PianoShards(Shards(run.shards, split, min_frames=run.frames), run.pianos) for split in ("train", "valid")
        )
        created = Pianist(len(run.pianos), run.latent)
        network = network or created
        task = PianistTask(network, run, training, valid, None)
        randomness.diverge(run.seed, rank)
        loss, _ = task.loss(0.0, *task.draw(rng))
        (loss / PROCESSES).backward()
    assert network
    nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
    return [p.grad for p in network.parameters() if p.grad is not None]


@pytest.fixture
def run(folders: list[Path], tmp_path: Path) -> PianistRun:
    return PianistRun(
        shards=(folders[0],),
        pianos=("grand",),
        latent=4,
        out=tmp_path / "pianist.pt",
        steps=1,
        batch=2,
        frames=64,
        device="cpu",
        precision="float32",
        kl_ramp=1.0,
    )


def test_two_processes_apply_the_mean_of_their_gradients_and_resume(run: PianistRun) -> None:
    output = torchrun(run)
    assert output.count("held out: mae_db") == 1, "only one process should log"
    saved = torch.load(run.out, weights_only=True)
    states = saved["processes"]
    assert len(states) == PROCESSES and not torch.equal(states[0]["torch"], states[1]["torch"])
    moments = [state["exp_avg"] / (1 - run.betas[0]) for state in saved["optimizer"]["state"].values()]
    expected = mean_gradients(run)
    assert len(moments) == len(expected)
    for moment, gradient in zip(moments, expected):
        torch.testing.assert_close(moment, gradient, rtol=1e-3, atol=1e-6)

    output = torchrun(run.model_copy(update={"steps": 2}))
    assert "resumed at step 1" in output and "new random numbers" not in output
    assert torch.load(run.out, weights_only=True)["step"] == 2
