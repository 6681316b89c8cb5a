"""Tests that a few steps reduce each loss, and that training resumes exactly; also tests shards and metrics."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Trained
from corpus import PIANOS
from safetensors.numpy import save_file
from torch import Tensor

from melos_training import metrics, train_vocoder, training
from melos_training.data import NoShards, Shards
from melos_training.pianist import train_pianist, train_prior
from melos_training.pianist.windows import PianoShards
from melos_training.runs import PianistRun, PriorRun, Run, VocoderRun
from melos_training.training import Task, Trainer


@pytest.mark.parametrize("name", ["pianist", "prior", "vocoder"])
def test_training_reduces_the_loss(trained: Trained, name: str) -> None:
    history = trained.trainers[name].history
    assert history[-1]["train"]["loss"] < 0.995 * history[0]["train"]["loss"], history


def test_finished_training_continues_only_with_a_larger_budget(
    trained: Trained, folders: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "pianist.pt"
    out.write_bytes(trained.paths["pianist"].read_bytes())

    def train(steps: int) -> Trainer[Any]:
        settings: dict[str, Any] = {"batch": 2, "frames": 64, "latent": 4, "device": "cpu"}
        return train_pianist.train(PianistRun(shards=tuple(folders), pianos=PIANOS, out=out, steps=steps, **settings))

    finished = train(12)
    assert finished.step == 12
    before = trained.trainers["pianist"].average.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in finished.average.state_dict().items())
    assert train(14).step == 14


class Interrupted(Exception):
    pass


def interrupt_at(task: type[Task[Any]], step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the training of `task` fail after it has drawn the windows of a step."""
    draw = task.draw
    calls = 0

    def draw_or_fail(self: Task[Any], rng: np.random.Generator) -> tuple[Tensor, ...]:
        nonlocal calls
        calls += 1
        drawn = draw(self, rng)
        if calls > step:
            raise Interrupted
        return drawn

    monkeypatch.setattr(task, "draw", draw_or_fail)


def same(one: Any, other: Any) -> bool:
    """Returns whether two values of a checkpoint are identical."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def lines(out: Path) -> list[dict[str, Any]]:
    """Reads the metrics of a checkpoint, without times."""
    return [
        {key: value for key, value in line.items() if key != "seconds"} for line in metrics.read(metrics.path_of(out))
    ]


Training = tuple[type[Task[Any]], Callable[[Any], Trainer[Any]], Callable[..., Run]]
TRAININGS: dict[str, Training] = {
    "pianist": (train_pianist.PianistTask, train_pianist.train, PianistRun),
    "prior": (train_prior.PriorTask, train_prior.train, PriorRun),
    "vocoder": (train_vocoder.VocoderTask, train_vocoder.train, VocoderRun),
}


@pytest.mark.parametrize("name", list(TRAININGS))
def test_resumed_training_matches_uninterrupted_training(
    name: str, trained: Trained, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, train, run = TRAININGS[name]
    short: dict[str, dict[str, Any]] = {
        "pianist": {"frames": 64, "pianos": PIANOS, "latent": 4},
        "prior": {"frames": 64, "pianist": trained.paths["pianist"]},
        "vocoder": {"pianist": trained.paths["pianist"]},
    }

    def run_in(folder: str) -> Run:
        out = tmp_path / folder / f"{name}.pt"
        settings = {"steps": 5, "every": 2, "batch": 2, "device": "cpu", "precision": "float32"} | short[name]
        return run(shards=folders, out=out, **settings)

    train(run_in("whole"))
    # Save at every step, and interrupt the fourth step, between two lines of the metrics.
    monkeypatch.setattr(training, "SAVE_SECONDS", -1.0)
    with monkeypatch.context() as interruption:
        interrupt_at(task, 3, interruption)
        with pytest.raises(Interrupted):
            train(run_in("parts"))
    assert torch.load(run_in("parts").out, weights_only=True)["step"] == 3
    train(run_in("parts"))

    whole, parts = (torch.load(run_in(folder).out, weights_only=True) for folder in ("whole", "parts"))
    for key in ("model", "average", "optimizer", "step", "processes"):
        assert same(whole[key], parts[key]), key
    assert lines(run_in("whole").out) == lines(run_in("parts").out)
    assert [line["step"] for line in lines(run_in("whole").out)] == [2, 4, 5]


def write_mel(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"mel": np.full((frames, 128), frames, np.float16)}, str(path))


def test_new_shards_do_not_change_the_order_of_resumed_training(tmp_path: Path) -> None:
    write_mel(tmp_path / "train" / "b.safetensors", 64)
    shards = Shards([tmp_path], "train")
    write_mel(tmp_path / "train" / "a.safetensors", 72)
    shards.refresh()
    assert shards.order() == ["b.safetensors", "a.safetensors"]
    resumed = Shards([tmp_path], "train", order=shards.order())
    drawn = []
    for source in (shards, resumed, Shards([tmp_path], "train")):
        rng = np.random.default_rng(3)
        drawn.append([source.draw(rng).name for _ in range(16)])
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_error_for_missing_shards_names_the_folder(tmp_path: Path) -> None:
    shards = Shards([tmp_path / "nowhere"], "train", needs_audio=True, min_frames=84)
    with pytest.raises(NoShards, match=r"nowhere/train: no shards with at least 84 mel frames and audio"):
        PianoShards(shards, PIANOS).draw_with_audio(np.random.default_rng(0), 1, 80)


def test_non_finite_metrics_are_written_as_null(tmp_path: Path) -> None:
    out = tmp_path / "x.pt"
    log = metrics.Metrics(out, 0)
    log.write({"step": 1, "seconds": 0.5, "rate": 1e-3, "train": {"loss": float("nan")}, "valid": {"loss": 2.0}})
    text = metrics.path_of(out).read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail)["train"] == {"loss": None}
    metrics.plot([metrics.path_of(out)], tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_metrics_after_the_checkpoint_are_removed(tmp_path: Path) -> None:
    out = tmp_path / "x.pt"
    log = metrics.Metrics(out, 0)
    for step in (2, 4, 6):
        log.write({"step": step, "seconds": 0.0, "rate": 0.0, "train": {"loss": 1.0}, "valid": {}})
    with metrics.path_of(out).open("a", encoding="utf-8") as file:
        file.write('{"step": 8, "trai')
    metrics.Metrics(out, 4)
    assert [record["step"] for record in metrics.read(metrics.path_of(out))] == [2, 4]
    metrics.Metrics(out, 0)
    assert metrics.read(metrics.path_of(out)) == []
    assert len(metrics.read(tmp_path / "x.jsonl.old")) == 2
