"""The loop all trainings share: schedule by the clock, averaged weights, atomic checkpoints, a log."""

import copy
import os
import time
from pathlib import Path

import torch
from torch import nn

SAVE_SECONDS = 120
WARM_UP_STEPS = 200


def save_atomically(value, path):
    """`torch.save` that leaves either the old or the new file."""
    temporary = path.with_suffix(".tmp")
    torch.save(value, temporary)
    os.replace(temporary, path)


class Trainer:
    """Runs `loss` for so many `minutes`, or instead `steps`, over all resumed runs together.

    The learning rate warms up, then falls with the share that is spent, so that a training of any length ends settled. `adopted` says that the weights come from a published model and begin here. `average` holds an exponential average of the weights: what is evaluated and exported.
    """

    def __init__(self, model, out, rate, minutes=None, steps=None, extra=None, decay=0.01, betas=(0.9, 0.98), half_life=400):
        self.model = model
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.out = Path(out)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        if (minutes is None) == (steps is None):
            raise ValueError("give either minutes or steps")
        self.minutes = minutes
        self.steps = steps
        self.rate = rate
        self.half_life = half_life
        self.extra = extra or {}
        self.optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], lr=rate, betas=betas, weight_decay=decay
        )
        self.step = 0
        self.spent = 0.0
        self.history = []
        self.adopted = False
        if self.out.exists():
            self._resume()

    def _resume(self):
        saved = torch.load(self.out, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.adopted = "optimizer" not in saved
        if not self.adopted:
            self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.spent = saved["step"], saved["spent"]
        print(f"resumed at step {self.step} after {self.spent / 60:.1f} min", flush=True)

    def save(self):
        save_atomically({
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "spent": self.spent,
            **self.extra,
        }, self.out)

    @property
    def share(self):
        """How much of the training is done, 0 to 1."""
        return self.step / self.steps if self.steps else self.spent / (self.minutes * 60)

    def _update_average(self):
        keep = min(0.5 ** (1 / self.half_life), self.step / (self.step + 10))
        with torch.no_grad():
            ours, theirs = list(self.average.parameters()), list(self.model.parameters())
            torch._foreach_lerp_(ours, theirs, 1 - keep)

    def run(self, loss, evaluate, every=200, on_save=None):
        """`loss()` gives a scalar tensor and a dict of numbers to log; `evaluate(model)` a dict of held-out numbers."""
        print(f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.2f} M parameters", flush=True)
        begun, saved, logged = time.monotonic() - self.spent, time.monotonic(), []
        while True:
            self.spent = time.monotonic() - begun
            if self.share >= 1:
                break
            rate = self.rate * min(1, (self.step + 1) / WARM_UP_STEPS) * (1 - self.share) ** 0.7 + 1e-6
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.model.train()
            value, numbers = loss()
            self.optimizer.zero_grad(set_to_none=True)
            value.backward()
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            # A step without a finite gradient would poison everything: skip it and let the log show the count.
            if torch.isfinite(norm):
                self.optimizer.step()
                self._update_average()
            logged.append({"loss": value.item(), "skipped": float(not torch.isfinite(norm)), **numbers})
            self.step += 1
            if self.step % every == 0:
                self._log(logged, evaluate)
                logged = []
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save()
                saved = time.monotonic()
                if on_save:
                    on_save()
        self.save()
        if logged:
            self._log(logged, evaluate)

    def _log(self, logged, evaluate):
        with torch.no_grad():
            held_out = evaluate(self.average)
        means = {key: sum(entry[key] for entry in logged) / len(logged) for key in logged[0]}
        self.history.append({**means, **held_out})
        shown = " ".join(f"{key} {value:.4f}" for key, value in means.items())
        valid = " ".join(f"{key} {value:.4f}" for key, value in held_out.items())
        print(f"step {self.step} {self.spent:.0f} s: {shown} | held out: {valid}", flush=True)


def load_average(model, path):
    """Loads the averaged weights of a checkpoint into `model`, ready for use; returns the whole checkpoint."""
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["average"])
    model.eval().requires_grad_(False)
    return saved
