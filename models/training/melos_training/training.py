"""The training loop shared by all networks but the composer: schedule, averaged weights, resumable checkpoints."""

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from . import checkpoint, precision, randomness
from .checkpoint import Checkpoint
from .metrics import Metrics, Record
from .precision import Precision
from .runs import Run, changes, stored_run
from .team import Team

SAVE_SECONDS = 120.0
WARM_UP_STEPS = 200
GRADIENT_NORM = 1.0
"""Maximum gradient norm; larger gradients are clipped."""

Numbers = dict[str, float]
Network = TypeVar("Network", bound=nn.Module)


class Task(nn.Module, ABC, Generic[Network]):
    """The parts of training that are specific to a network: data, loss and evaluation."""

    network: Network

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Draws the windows of one step, in main memory."""

    @abstractmethod
    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        """Returns the scalar loss and the metrics of a batch on the device.

        `share` is the fraction of training completed.
        """

    @abstractmethod
    def evaluate(self, network: Network) -> Numbers:
        """Returns the metrics of a network on held-out shards."""

    @abstractmethod
    def refresh(self) -> None:
        """Adds shards that have been written since the last call."""

    @abstractmethod
    def data_order(self) -> list[str]:
        """Returns the names of the training shards in the order used for drawing windows."""

    def forward(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        return self.loss(share, *batch)


@dataclass(frozen=True)
class Start:
    """The state from which this process starts or resumes a run."""

    rng: np.random.Generator
    precision: Precision
    saved: Checkpoint | None
    state: dict[str, Any] | None
    """State of this process: its random generators, and `data`, the order of its shards; `None` if not saved."""

    @property
    def order(self) -> list[str]:
        """The names of the shards that the run has used so far, in the order used for drawing windows."""
        return list(self.state["data"]) if self.state else []


def start(run: Run, team: Team) -> Start:
    """Reads the checkpoint, seeds the generators and decides the precision. Networks must be created afterwards."""
    rng = randomness.seed_generators(run.seed, team.rank)
    saved = checkpoint.read(run.out)
    states = saved.get("processes", []) if saved else []
    state = states[team.rank] if len(states) == team.size else None
    requested: Precision = run.precision
    if requested == "auto" and saved:
        requested = saved.get("precision", "auto")
    chosen = precision.decide(team.device, requested)
    # All processes use the leader's choice.
    (bfloat16,) = team.broadcast([float(chosen == "bfloat16")])
    return Start(rng, precision.decide(team.device, "bfloat16" if bfloat16 else "float32"), saved, state)


class Trainer(Generic[Network]):
    """Trains for the minutes or steps of a run, counted across resumptions.

    The learning rate warms up, then decays with the fraction of training completed, so that it always ends low.
    `average` is an exponential moving average of the weights, which is evaluated and exported. `adopted` is true if the
    weights come from a published model.
    """

    def __init__(
        self,
        task: Task[Network],
        run: Run,
        started: Start,
        team: Team,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.task, self.run, self.team = task, run, team
        self.rng, self.precision = started.rng, started.precision
        self.extra = extra or {}
        saved = started.saved
        self.model: Network = task.network
        self.average: Network = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.step, self.spent = 0, 0.0
        self.adopted = saved is not None and "optimizer" not in saved
        self.history: list[Record] = []
        self._pending: list[Numbers] = []
        if saved:
            self.model.load_state_dict(saved["model"])
            self.average.load_state_dict(saved["average"])
            self.step, self.spent = saved["step"], saved["spent"]
            self._pending = saved.get("pending", [])
        task.to(team.device)
        self.average.to(team.device)
        self.optimizer = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=run.rate,
            betas=run.betas,
            weight_decay=run.weight_decay,
        )
        if saved and not self.adopted:
            self.optimizer.load_state_dict(saved["optimizer"])
        self._state = started.state
        if team.is_leader:
            run.out.parent.mkdir(parents=True, exist_ok=True)
            if saved:
                self._print_resumed(saved)

    def _print_resumed(self, saved: Checkpoint) -> None:
        print(f"resumed at step {self.step} after {self.spent / 60:.1f} min", flush=True)
        for line in changes(saved["run"], stored_run(self.run)) if "run" in saved else ():
            print(f"  changed: {line}", flush=True)
        if not self.adopted and not self._state:
            print("  with new random numbers: a different number of processes wrote the checkpoint", flush=True)

    def _save(self) -> None:
        """Gathers the state of all processes and lets the leader write the checkpoint."""
        state = randomness.capture(self.rng, self.team.device) | {"data": self.task.data_order()}
        states = self.team.gather(state)
        if self.team.is_leader:
            checkpoint.save(
                {
                    "model": self.model.state_dict(),
                    "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "step": self.step,
                    "spent": self.spent,
                    "run": stored_run(self.run),
                    "precision": self.precision,
                    "pending": self._pending,
                    "processes": states,
                    **self.extra,
                },
                self.run.out,
            )

    @property
    def share(self) -> float:
        """Fraction of training completed, 0 to 1."""
        if self.run.steps:
            return self.step / self.run.steps
        return self.spent / ((self.run.minutes or 0) * 60)

    def _update_average(self) -> None:
        keep = min(0.5 ** (1 / self.run.half_life), self.step / (self.step + 10))
        with torch.no_grad():
            averages: list[Tensor] = [*self.average.parameters()]
            weights: list[Tensor] = [*self.model.parameters()]
            torch._foreach_lerp_(averages, weights, 1 - keep)

    def _learning_rate(self) -> float:
        return self.run.rate * min(1, (self.step + 1) / WARM_UP_STEPS) * (1 - self.share) ** 0.7 + 1e-6

    def train(self) -> None:
        """Trains until the budget is spent; saves every two minutes and at the end."""
        self.team.broadcast_weights(self.task)
        metrics = Metrics(self.run.out, self.step) if self.team.is_leader else None
        if metrics:
            print(f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.2f} M parameters", flush=True)
        if self._state:
            randomness.restore(self._state, self.rng, self.team.device)
        else:
            randomness.diverge(self.run.seed, self.team.rank)
        started = time.monotonic() - self.spent
        saved = time.monotonic()
        while True:
            # All processes must stop together, so the leader's clock decides.
            now = time.monotonic()
            self.spent, due = self.team.broadcast([now - started, now - saved > SAVE_SECONDS])
            if due:
                self._save()
                saved = time.monotonic()
                self.task.refresh()
            if self.share >= 1:
                break
            self._step()
            if self.step % self.run.every == 0:
                self._log(metrics)
        if self._pending:
            self._log(metrics)
        self._save()

    def _step(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.model.train()
        batch = [part.to(self.team.device) for part in self.task.draw(self.rng)]
        value, numbers = self.task(self.share, *batch)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        self.team.average_gradients(self.model)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        # A non-finite gradient would destroy all weights, so the step is skipped and counted in the metrics.
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        self._pending.append({"loss": value.item(), "skipped": float(not torch.isfinite(norm)), **numbers})
        self.step += 1

    def _log(self, metrics: Metrics | None) -> None:
        """Logs the means over the leader's windows since the last log, and the metrics on held-out shards."""
        pending, self._pending = self._pending, []
        if not metrics:
            return
        with torch.no_grad():
            valid = self.task.evaluate(self.average)
        train = means(pending)
        record = {"step": self.step, "seconds": self.spent, "rate": self.optimizer.param_groups[0]["lr"]}
        self.history.append(record | {"train": train, "valid": valid})
        metrics.write(self.history[-1])
        print(f"step {self.step} {self.spent:.0f} s: {_format(train)} | held out: {_format(valid)}", flush=True)


def means(entries: Sequence[Numbers]) -> Numbers:
    """Returns the mean of each metric."""
    return {key: sum(entry[key] for entry in entries) / len(entries) for key in entries[0]}


def _format(numbers: Numbers) -> str:
    return " ".join(f"{key} {value:.4f}" for key, value in numbers.items())
