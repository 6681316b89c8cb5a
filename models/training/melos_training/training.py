"""The shared training loop: schedule by wall-clock time, averaged weights, resumable checkpoints."""

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
from .runs import Run, changes, kept
from .team import Team

SAVE_SECONDS = 120.0
WARM_UP_STEPS = 200
GRADIENT_NORM = 1.0
"""Gradients longer than this are shortened to it."""

Numbers = dict[str, float]
Network = TypeVar("Network", bound=nn.Module)


class Task(nn.Module, ABC, Generic[Network]):
    """What one network's training brings along: its data, its loss, and how it is measured."""

    network: Network

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """The windows of one step, in main memory."""

    @abstractmethod
    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        """A scalar loss and its metrics for a batch on the device; `share` of the training is done."""

    @abstractmethod
    def evaluate(self, network: Network) -> Numbers:
        """Figures on held-out shards, of the averaged weights."""

    @abstractmethod
    def refresh(self) -> None:
        """Takes up shards that have appeared."""

    @abstractmethod
    def data_order(self) -> list[str]:
        """Names of the training's shards in the order in which windows are drawn from them."""

    def forward(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        return self.loss(share, *batch)


@dataclass(frozen=True)
class Start:
    """Where a run starts or resumes in this process."""

    rng: np.random.Generator
    precision: Precision
    saved: Checkpoint | None
    state: dict[str, Any] | None
    """Of the process: what `randomness` captured, and `data`, the order of its shards."""

    @property
    def order(self) -> list[str]:
        """The shards that were trained on, in the order in which windows were drawn from them."""
        return list(self.state["data"]) if self.state else []


def start(run: Run, team: Team) -> Start:
    """Reads the checkpoint, seeds, and settles the precision; to be called before any network is made."""
    rng = randomness.seeded(run.seed, team.rank)
    saved = checkpoint.read(run.out)
    states = saved.get("processes", []) if saved else []
    state = states[team.rank] if len(states) == team.size else None
    wanted: Precision = run.precision
    if wanted == "auto" and saved:
        wanted = saved.get("precision", "auto")
    told = precision.settle(team.device, wanted)
    # The leader's measurement counts for all.
    (shared,) = team.agree([float(told == "bfloat16")])
    return Start(rng, precision.settle(team.device, "bfloat16" if shared else "float32"), saved, state)


class Trainer(Generic[Network]):
    """Trains for the minutes or the steps of a run, over all resumed runs together.

    The learning rate warms up, then falls with the share that is spent, so that a training of any length ends settled.
    `average` holds an exponential average of the weights: what is evaluated and exported. `adopted` says that the
    weights come from a published model and begin here.
    """

    def __init__(
        self,
        task: Task[Network],
        run: Run,
        begun: Start,
        team: Team,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.task, self.run, self.team = task, run, team
        self.rng, self.precision = begun.rng, begun.precision
        self.extra = extra or {}
        saved = begun.saved
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
        self._state = begun.state
        if team.leads:
            run.out.parent.mkdir(parents=True, exist_ok=True)
            if saved:
                self._tell_resumed(saved)

    def _tell_resumed(self, saved: Checkpoint) -> None:
        print(f"resumed at step {self.step} after {self.spent / 60:.1f} min", flush=True)
        for line in changes(saved["run"], kept(self.run)) if "run" in saved else ():
            print(f"  changed since: {line}", flush=True)
        if not self.adopted and not self._state:
            print("  with other random numbers: the checkpoint has none for this number of processes", flush=True)

    def _save(self) -> None:
        """Every process reports its state; the leader writes it."""
        state = randomness.capture(self.rng, self.team.device) | {"data": self.task.data_order()}
        states = self.team.gather(state)
        if self.team.leads:
            checkpoint.save(
                {
                    "model": self.model.state_dict(),
                    "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "step": self.step,
                    "spent": self.spent,
                    "run": kept(self.run),
                    "precision": self.precision,
                    "pending": self._pending,
                    "processes": states,
                    **self.extra,
                },
                self.run.out,
            )

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1."""
        if self.run.steps:
            return self.step / self.run.steps
        return self.spent / ((self.run.minutes or 0) * 60)

    def _update_average(self) -> None:
        keep = min(0.5 ** (1 / self.run.half_life), self.step / (self.step + 10))
        with torch.no_grad():
            ours: list[Tensor] = [*self.average.parameters()]
            theirs: list[Tensor] = [*self.model.parameters()]
            torch._foreach_lerp_(ours, theirs, 1 - keep)

    def _learning_rate(self) -> float:
        return self.run.rate * min(1, (self.step + 1) / WARM_UP_STEPS) * (1 - self.share) ** 0.7 + 1e-6

    def train(self) -> None:
        """Runs until the budget is spent; saves every two minutes and at the end."""
        self.team.follow_leader(self.task)
        metrics = Metrics(self.run.out, self.step) if self.team.leads else None
        if metrics:
            print(f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.2f} M parameters", flush=True)
        if self._state:
            randomness.restore(self._state, self.rng, self.team.device)
        else:
            randomness.part_ways(self.run.seed, self.team.rank)
        begun = time.monotonic() - self.spent
        saved = time.monotonic()
        while True:
            # The leader's clock decides for all: a process that stopped alone would leave the others waiting.
            now = time.monotonic()
            self.spent, due = self.team.agree([now - begun, now - saved > SAVE_SECONDS])
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
        # A step without a finite gradient would poison everything: skip it and let the log show the count.
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        self._pending.append({"loss": value.item(), "skipped": float(not torch.isfinite(norm)), **numbers})
        self.step += 1

    def _log(self, metrics: Metrics | None) -> None:
        """Means since the last line, of the leader's windows, and the figures on held-out shards."""
        pending, self._pending = self._pending, []
        if not metrics:
            return
        with torch.no_grad():
            valid = self.task.evaluate(self.average)
        train = means(pending)
        record = {"step": self.step, "seconds": self.spent, "rate": self.optimizer.param_groups[0]["lr"]}
        self.history.append(record | {"train": train, "valid": valid})
        metrics.write(self.history[-1])
        print(f"step {self.step} {self.spent:.0f} s: {_shown(train)} | held out: {_shown(valid)}", flush=True)


def means(entries: Sequence[Numbers]) -> Numbers:
    """The mean of every figure."""
    return {key: sum(entry[key] for entry in entries) / len(entries) for key in entries[0]}


def _shown(numbers: Numbers) -> str:
    return " ".join(f"{key} {value:.4f}" for key, value in numbers.items())
