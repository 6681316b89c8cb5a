"""Two processes that `torchrun` starts train one network: each step applies the mean of their gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ENVIRONMENT
from torch import nn

from melos_training import precision, randomness
from melos_training.data import Shards
from melos_training.runs import VaeRun
from melos_training.train_vae import VaeTask
from melos_training.training import GRADIENT_NORM
from melos_training.vae import Vae

PROCESSES = 2


def torchrun(run: VaeRun) -> str:
    """Trains a run in two processes; what they print."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={PROCESSES}"]
    options = [f"--{key}={getattr(run, key)}" for key in ("out", "steps", "device")]
    file = run.out.with_suffix(".toml")
    settings = f'batch = {run.batch}\nframes = {run.frames}\nprecision = "{run.precision}"\nkl_ramp = {run.kl_ramp}\n'
    file.write_text(f'shards = ["{run.shards[0]}"]\n{settings}', encoding="utf-8")
    command = [*launcher, "-m", "melos_training", "vae", f"--recipe={file}", *options]
    done = subprocess.run(command, text=True, capture_output=True, env=ENVIRONMENT, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mean_gradients(run: VaeRun) -> list[torch.Tensor]:
    """The gradients of the first step of both processes, worked out in one, shortened as the training does."""
    precision.settle(torch.device("cpu"), run.precision)
    network: Vae | None = None
    for rank in range(PROCESSES):
        rng = randomness.seeded(run.seed, rank)
        shards = [Shards(run.shards, split, min_frames=run.frames) for split in ("train", "valid")]
        made = Vae()
        network = network or made
        task = VaeTask(network, run, *shards)
        randomness.part_ways(run.seed, rank)
        loss, _ = task.loss(0.0, *task.draw(rng))
        (loss / PROCESSES).backward()
    assert network
    nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
    return [p.grad for p in network.parameters() if p.grad is not None]


@pytest.fixture
def run(shards: Path, tmp_path: Path) -> VaeRun:
    return VaeRun(
        shards=(shards,),
        out=tmp_path / "vae.pt",
        steps=1,
        batch=2,
        frames=64,
        device="cpu",
        precision="float32",
        kl_ramp=1.0,
    )


def test_two_processes_apply_the_mean_of_their_gradients_and_resume(run: VaeRun) -> None:
    said = torchrun(run)
    assert said.count("held out: mae_db") == 1, "one process logs"
    saved = torch.load(run.out, weights_only=True)
    states = saved["processes"]
    assert len(states) == PROCESSES and not torch.equal(states[0]["torch"], states[1]["torch"])
    moments = [state["exp_avg"] / (1 - run.betas[0]) for state in saved["optimizer"]["state"].values()]
    expected = mean_gradients(run)
    assert len(moments) == len(expected)
    for found, gradient in zip(moments, expected):
        torch.testing.assert_close(found, gradient, rtol=1e-3, atol=1e-6)

    said = torchrun(run.model_copy(update={"steps": 2}))
    assert "resumed at step 1" in said and "other random numbers" not in said
    assert torch.load(run.out, weights_only=True)["step"] == 2
