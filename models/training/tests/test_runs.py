"""A run is described by a file, by options or by a checkpoint; errors name their location."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from conftest import ENVIRONMENT, Trained

from melos_training import device
from melos_training.runs import DROP_GROUP, RUNS, SettingsError, TransformerRun, VaeRun, describe_run, kept, written


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_groups_that_are_not_named_keep_their_default(tmp_path: Path) -> None:
    text = 'shards = ["s"]\nvae = "v.pt"\nout = "t.pt"\nsteps = 1\ndrop_group = { beat = 0.5 }\n'
    run = describe_run("transformer", write(tmp_path, text), {})
    assert isinstance(run, TransformerRun)
    assert run.drop_group == DROP_GROUP | {"beat": 0.5}
    with pytest.raises(SettingsError, match=r"run\.toml:5: drop_group .* no group 'baet'; there are emotion, "):
        describe_run("transformer", write(tmp_path, text.replace("beat", "baet")), {})


def test_paths_of_a_file_are_relative_to_it_and_options_take_precedence(tmp_path: Path) -> None:
    file = write(tmp_path, 'network = "vae"\nshards = ["shards", "/more"]\nout = "vae.pt"\nminutes = 40\nbatch = 4\n')
    run = describe_run("vae", file, {"steps": 7, "seed": None, "out": Path("here.pt")})
    assert isinstance(run, VaeRun)
    assert run.shards == (tmp_path / "shards", Path("/more"))
    assert (run.out, run.batch, run.steps, run.minutes) == (Path("here.pt"), 4, 7, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bach = 3", "run.toml:4: there is no setting 'bach'; did you mean 'batch'?"),
        ("batch = 0", "run.toml:4: batch = 0: Input should be greater than 0"),
        ("frames = 100", "run.toml:4: frames = 100: Input should be a multiple of 8"),
        ('precision = "half"', "run.toml:4: precision = 'half': Input should be 'auto', 'bfloat16' or 'float32'"),
        ("steps = 3", "run.toml: give either minutes or steps"),
        ('network = "vocoder"', "run.toml: network = 'vocoder': this command trains the vae"),
        ("= 3", "run.toml: Invalid statement (at line 4"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = write(tmp_path, f'shards = ["s"]\nout = "vae.pt"\nminutes = 1\n{text}\n')
    with pytest.raises(SettingsError) as error:
        describe_run("vae", file, {})
    assert told in str(error.value)


@pytest.mark.parametrize("network", list(RUNS))
def test_recipes_describe_runs(network: str) -> None:
    recipes = Path(__file__).parents[1] / "recipes"
    run = describe_run(network, recipes / f"{network}.toml", {})
    assert run.out.resolve() == recipes.parent / "runs" / f"{network}.pt"


def test_a_checkpoint_carries_the_run_as_a_file_that_describes_it_again(trained: Trained, tmp_path: Path) -> None:
    saved = torch.load(trained.paths["transformer"], weights_only=True)
    text = written(saved["run"])
    run = describe_run("transformer", write(tmp_path, text), {})
    assert isinstance(run, TransformerRun)
    assert run.every == 4 and run.vae == trained.paths["vae"]
    assert kept(run) == saved["run"] == tomllib.loads(text)


def test_the_command_line_trains_describes_and_plots(trained: Trained, shards: Path, tmp_path: Path) -> None:
    def melos_training(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "melos_training", *map(str, arguments)]
        done = subprocess.run(command, check=False, text=True, capture_output=True, cwd=tmp_path, env=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    file = write(
        tmp_path, f'shards = ["{shards}"]\nout = "runs/vae.pt"\nsteps = 2\nevery = 1\nbatch = 1\nframes = 64\n'
    )
    assert "held out: mae_db" in melos_training("vae", "--recipe", file, "--device", "auto")
    described = melos_training("describe", "runs/vae.pt")
    assert described.startswith("# 2 steps in 0.")
    assert tomllib.loads(described)["frames"] == 64
    melos_training("plot", "runs/vae.jsonl", "--out", "vae.png")
    assert (tmp_path / "vae.png").stat().st_size > 10_000


def test_auto_is_a_device_of_this_machine_and_others_are_refused() -> None:
    chosen = device.choose("auto")
    assert torch.zeros(1, device=chosen).sum() == 0
    assert device.choose("cpu") == torch.device("cpu")
    with pytest.raises(device.NoDevice, match="device 'gpu': expected auto, cpu, cuda"):
        device.choose("gpu")
    with pytest.raises(device.NoDevice, match="device 'cuda:99'"):
        device.choose("cuda:99")
