"""Tests runs built from files, options and checkpoints, the locations in error messages, and the command line."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from conftest import ENVIRONMENT, Trained

from melos_training import device
from melos_training.runs import RUNS, PianistRun, PriorRun, SettingsError, build_run, run_to_toml, stored_run


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_in_a_file_are_relative_to_it_and_options_take_precedence(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'network = "pianist"\nshards = ["shards", "/more"]\npianos = ["p"]\nout = "p.pt"\nminutes = 40\nbatch = 4\n',
    )
    run = build_run("pianist", file, {"steps": 7, "seed": None, "out": Path("here.pt")})
    assert isinstance(run, PianistRun)
    assert run.shards == (tmp_path / "shards", Path("/more"))
    assert (run.out, run.batch, run.steps, run.minutes) == (Path("here.pt"), 4, 7, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bach = 3", "run.toml:5: unknown setting 'bach'; did you mean 'batch'?"),
        ("batch = 0", "run.toml:5: batch = 0: Input should be greater than 0"),
        ("frames = 100", "run.toml:5: frames = 100: Input should be a multiple of 8"),
        ('precision = "half"', "run.toml:5: precision = 'half': Input should be 'auto', 'bfloat16' or 'float32'"),
        ("steps = 3", "run.toml: give either minutes or steps"),
        ('network = "vocoder"', "run.toml: network = 'vocoder': this command trains the pianist"),
        ("= 3", "run.toml: Invalid statement (at line 5"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, f'shards = ["s"]\nout = "p.pt"\npianos = ["p"]\nminutes = 1\n{text}\n')
    with pytest.raises(SettingsError) as error:
        build_run("pianist", file, {})
    assert message in str(error.value)


@pytest.mark.parametrize("network", list(RUNS))
def test_recipes_are_valid(network: str) -> None:
    recipes = Path(__file__).parents[1] / "recipes"
    run = build_run(network, recipes / f"{network}.toml", {})
    assert run.out.resolve() == recipes.parent / "runs" / f"{network}.pt"


def test_the_configuration_of_a_checkpoint_round_trips_through_toml(trained: Trained, tmp_path: Path) -> None:
    saved = torch.load(trained.paths["prior"], weights_only=True)
    text = run_to_toml(saved["run"])
    run = build_run("prior", write(tmp_path, text), {})
    assert isinstance(run, PriorRun)
    assert run.every == 4 and run.pianist == trained.paths["pianist"]
    assert stored_run(run) == saved["run"] == tomllib.loads(text)


def test_the_command_line_trains_describes_and_plots(folders: list[Path], tmp_path: Path) -> None:
    def melos_training(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "melos_training", *map(str, arguments)]
        completed = subprocess.run(command, check=False, text=True, capture_output=True, cwd=tmp_path, env=ENVIRONMENT)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    settings = 'out = "runs/pianist.pt"\nsteps = 2\nevery = 1\nbatch = 1\nframes = 64\n'
    file = write(tmp_path, f'shards = ["{folders[0]}"]\npianos = ["grand"]\n{settings}')
    assert "held out: mae_db" in melos_training("pianist", "--recipe", file, "--device", "auto")
    described = melos_training("describe", "runs/pianist.pt")
    assert described.startswith("# 2 steps in 0.")
    assert tomllib.loads(described)["frames"] == 64
    melos_training("plot", "runs/pianist.jsonl", "--out", "pianist.png")
    assert (tmp_path / "pianist.png").stat().st_size > 10_000


def test_auto_chooses_an_available_device_and_unknown_devices_are_rejected() -> None:
    chosen = device.choose("auto")
    assert torch.zeros(1, device=chosen).sum() == 0
    assert device.choose("cpu") == torch.device("cpu")
    with pytest.raises(device.NoDevice, match="device 'gpu': expected auto, cpu, cuda"):
        device.choose("gpu")
    with pytest.raises(device.NoDevice, match="device 'cuda:99'"):
        device.choose("cuda:99")
