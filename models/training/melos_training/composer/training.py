"""Trains the composer. A resumed run ends with the same weights as an uninterrupted one, bit for bit."""

import copy
import json
import math
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import precision
from .batches import WindowSampler, collate, held_out, without_conditions
from .configuration import Configuration
from .layout import LATENT_SECONDS
from .library import load
from .network import Batch, Composer

CHECKPOINT = "composer.pt"
COOLED = "cooled.pt"
METRICS = "metrics.jsonl"
HELD_OUT_WINDOWS = {"pop909": 24, "giantmidi": 6, "mutopia": 6}
NOTES_PER_LATENT = 0.6
"""Typical number of notes per latent. Losses are divided by it instead of the actual number, so that the notes of all
batches have the same weight."""


def device_of(name: str) -> torch.device:
    """Returns the device with this name; `auto` is a CUDA device if there is one, otherwise the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def split_parameters(model: Composer) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Returns the parameters that Muon trains (the matrices within layers and blocks), and the others."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inner = name.endswith(("up.weight", "down.weight", "qkv.weight", "mix.weight"))
        (matrices if inner else rest).append(parameter)
    return matrices, rest


class Run:
    """A training run in a folder: `composer.pt` holds its latest state, `metrics.jsonl` its metrics.

    Raises `ValueError` if neither the caller nor a checkpoint provides a configuration. Metrics and checkpoint call
    latents `frames`.
    """

    def __init__(self, folder: Path, configuration: Configuration | None = None, device: str = "auto") -> None:
        self.folder = folder
        self.device = device_of(device)
        folder.mkdir(parents=True, exist_ok=True)
        saved: dict[str, Any] | None = None
        if (folder / CHECKPOINT).exists():
            saved = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
            if "configuration" in saved:
                configuration = Configuration.of(saved["configuration"], CHECKPOINT)
        if configuration is None:
            raise ValueError(
                f"{folder}: no {CHECKPOINT} with a configuration; give a configuration (--configuration) to start a run"
            )
        self.configuration = configuration
        requested = configuration.precision
        if saved is not None and requested == "auto":
            # Another precision would give other weights.
            requested = saved.get("precision", "auto")
        self.precision = precision.decide(self.device, requested)
        torch.manual_seed(configuration.seed)
        self.random = np.random.default_rng(configuration.seed)
        self.model = Composer().to(self.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        matrices, rest = split_parameters(self.model)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=configuration.rate,
                weight_decay=configuration.weight_decay,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(rest, lr=configuration.rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.step, self.frames, self.seconds, self.processor_seconds = 0, 0, 0.0, 0.0
        if saved is not None:
            self._restore(saved)
        self.library = load(Path(configuration.library))
        self.sampler = WindowSampler(self.library, configuration.frames, configuration.windows, configuration.corpora)
        self._held_out: dict[str, Batch] = {}
        self._stopped = False

    def _restore(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        if "optimizers" not in saved:
            # Weights adopted from a published model have no optimizer state: they start a new run.
            return
        for optimizer, state in zip(self.optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        self.random.bit_generator.state = json.loads(saved["random"])
        torch.set_rng_state(saved["torch_random"])
        for name in ("step", "frames", "seconds", "processor_seconds"):
            setattr(self, name, saved[name])

    def save(self, name: str = CHECKPOINT) -> None:
        """Writes the whole state atomically."""
        state = {
            "configuration": self.configuration.table(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": json.dumps(self.random.bit_generator.state),
            "torch_random": torch.get_rng_state(),
            "precision": self.precision,
            **{name: getattr(self, name) for name in ("step", "frames", "seconds", "processor_seconds")},
        }
        temporary = self.folder / f"{name}.tmp"
        torch.save(state, temporary)
        temporary.replace(self.folder / name)

    def train(self, minutes: float = math.inf, steps: float = math.inf, cool: bool = False) -> None:
        """Trains for additional minutes or steps.

        SIGTERM and SIGINT stop the training early, but a checkpoint is still saved. With `cool`, the learning rate
        decays to zero over the given time, and the result is saved as `cooled.pt`, so that the run itself can still be
        resumed.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        started, clock, processor = time.monotonic(), time.monotonic(), time.process_time()
        saved, first, pending = clock, self.step, []
        while True:
            share = max((time.monotonic() - started) / (60 * minutes), (self.step - first) / steps)
            if share >= 1 or self._stopped:
                break
            self._set_rate(1 - share if cool else 1.0)
            pending.append(self._step())
            now, used = time.monotonic(), time.process_time()
            self.seconds += now - clock
            self.processor_seconds += used - processor
            clock, processor = now, used
            if self.step % self.configuration.evaluate_every == 0:
                self._log(pending, cool)
                pending = []
            if clock - saved > self.configuration.save_seconds and not cool:
                self.save()
                saved = clock
        if pending:
            self._log(pending, cool)
        self.save(COOLED if cool else CHECKPOINT)

    def _stop(self, *_: object) -> None:
        """Makes training stop after the current step."""
        self._stopped = True

    def _set_rate(self, factor: float) -> None:
        warm = min(1.0, (self.step + 1) / self.configuration.warm_up)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.configuration.rate * warm * factor

    def _step(self) -> dict[str, float]:
        """Runs one step; returns the nats of each part, and counts of notes, latents and skipped steps."""
        batch = self.sampler.batch(self.random).to(self.device)
        self.model.train()
        with precision.autocast(self.device):
            losses = self.model.losses(batch)
        parts = losses.parts()
        total = sum(
            (self.configuration.importance[name] * value for name, value in parts.items()),
            torch.zeros((), device=self.device),
        )
        latents = batch.melody.numel()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total / (latents * NOTES_PER_LATENT))
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.configuration.clip)
        finite = bool(torch.isfinite(norm))
        # A non-finite gradient would destroy all weights, so the step is skipped and counted in the metrics.
        if finite:
            for optimizer in self.optimizers:
                optimizer.step()
            self._update_average()
        self.step += 1
        self.frames += latents
        counts = {"notes": float(len(batch.note)), "frames": float(latents), "skipped": float(not finite)}
        return {name: value.item() for name, value in parts.items()} | counts

    def _update_average(self) -> None:
        keep = min(0.5 ** (1 / self.configuration.half_life), (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)

    def _log(self, steps: list[dict[str, float]], cool: bool) -> None:
        """Evaluates, and writes a line of metrics for the steps since the last line."""
        notes = sum(step["notes"] for step in steps)
        trained = {
            name: sum(step[name] for step in steps) / notes
            for name in ("pedal", "offset", "voice", "key", "velocity", "duration")
        }
        line = {
            "step": self.step,
            "frames": self.frames,
            "hours": round(self.frames * LATENT_SECONDS / 3600, 3),
            "minutes": round(self.seconds / 60, 2),
            "processor_minutes": round(self.processor_seconds / 60, 2),
            "cooling": cool,
            "skipped": sum(step["skipped"] for step in steps),
            "train": _rounded(trained),
            "held_out": {name: _rounded(value) for name, value in self.evaluate().items()},
        }
        with (self.folder / METRICS).open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Returns the nats per note of the averaged weights on held-out music, by corpus.

        `pop909 free` is POP909 without conditions or memory.
        """
        if not self._held_out:
            for corpus, count in HELD_OUT_WINDOWS.items():
                windows = held_out(self.library, "valid", corpus, self.configuration.frames, count)
                if not windows:
                    continue
                self._held_out[corpus] = collate(windows).to(self.device)
                if corpus == "pop909":
                    self._held_out["pop909 free"] = collate([without_conditions(w) for w in windows]).to(self.device)
        with precision.autocast(self.device):
            return {name: nats_per_note(self.average, batch) for name, batch in self._held_out.items()}


@torch.no_grad()
def nats_per_note(model: Composer, batch: Batch) -> dict[str, float]:
    """Returns the parts of the negative log-likelihood per note; `total` excludes the pedal.

    `velocity16` is the velocity's part in classes twice as wide; `key_top1` is the top-1 accuracy of keys.
    """
    losses = model.losses(batch)
    notes = len(batch.note)
    parts = {name: value.item() / notes for name, value in losses.parts().items()}
    coarse = _coarse_velocity(losses.logits["velocity"], batch.note[:, 3]).item() / notes
    total = sum(value for name, value in parts.items() if name != "pedal")
    top = (losses.logits["key"].argmax(1) == batch.note[:, 2]).float().mean().item()
    return parts | {"total": total, "velocity16": coarse, "key_top1": top}


def _coarse_velocity(logits: Tensor, velocity: Tensor) -> Tensor:
    """Returns the nats of the velocity in classes twice as wide."""
    pairs = torch.logsumexp(torch.log_softmax(logits.float(), 1).view(len(logits), -1, 2), 2)
    known = velocity < logits.shape[1]
    chosen = pairs.gather(1, (velocity.clamp(max=logits.shape[1] - 1) // 2)[:, None])[:, 0]
    return -(chosen * known).sum()


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
