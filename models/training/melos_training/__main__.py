"""Trains and exports networks: `python -m melos_training pianist|prior|vocoder|describe|plot|adopt|export …`."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from . import checkpoint, device, metrics
from .data import NoShards
from .runs import (
    RUNS,
    PianistRun,
    PriorRun,
    Run,
    SettingsError,
    VocoderRun,
    build_run,
    run_to_toml,
)
from .team import join

EXPORTED_PARTS = ("composer", "pianist", "prior", "vocoder")


def _add_training(commands: Any, name: str) -> None:
    command = commands.add_parser(name, help=f"train the {name}, or resume its training")
    command.add_argument("--recipe", type=Path, help="TOML file that configures the training; options take precedence")
    command.add_argument("--shards", type=Path, nargs="+", help="folders written by `melos-corpus prepare`")
    command.add_argument("--out", type=Path, help="checkpoint to write or resume from; metrics are written beside it")
    budget = command.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="total minutes of training, across resumptions")
    budget.add_argument("--steps", type=int, help="total steps of training, across resumptions")
    command.add_argument("--device", help="auto (a CUDA device if there is one), cpu, cuda, cuda:1, …")
    command.add_argument("--rate", type=float, help="peak learning rate; use a lower one to fine-tune finished weights")
    command.add_argument("--seed", type=int)
    command.add_argument("--every", type=int, help="steps between lines of metrics")
    command.add_argument("--threads", type=int)
    if name == "pianist":
        command.add_argument(
            "--pianos", nargs="+", metavar="NAME", help="names of the shards' pianos, in the order of their indices"
        )
    else:
        command.add_argument("--pianist", type=Path, help="checkpoint of the trained pianist")


def _arguments() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="melos_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in RUNS:
        _add_training(commands, name)
    command = commands.add_parser("describe", help="print the configuration of a checkpoint as TOML")
    command.add_argument("checkpoint", type=Path)
    command = commands.add_parser("plot", help="plot metrics against training steps")
    command.add_argument("files", type=Path, nargs="+", help="metrics (.jsonl), each beside its checkpoint")
    command.add_argument("--out", type=Path, required=True, help="image file: .png, .svg or .pdf")
    command = commands.add_parser("adopt", help="convert a published model to checkpoints for further training")
    command.add_argument("--model", type=Path, required=True, help="folder of the model")
    command.add_argument("--identity", type=Path, required=True, help="identity file that was used for the export")
    command.add_argument("--out", type=Path, required=True, help="folder for the checkpoints")
    command.add_argument("--threads", type=int, default=1)
    command = commands.add_parser("export", help="write a model: ONNX files, manifest and test vectors")
    for part in EXPORTED_PARTS:
        command.add_argument(f"--{part}", type=Path, required=True, help=f"checkpoint of the {part}")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--shards", type=Path, nargs="+", required=True, help="the pianist's shards, for test vectors")
    command.add_argument("--library", type=Path, required=True, help="the composer's library, for test vectors")
    command.add_argument("--identity", type=Path, required=True, help="TOML file: name, licence, credits and pianos")
    command.add_argument("--commit", default="unknown", help="commit of the training code")
    return vars(parser.parse_args())


def train(run: Run) -> None:
    """Trains a network as configured by `run`, together with the other processes started by `torchrun`, if any."""
    torch.set_num_threads(run.threads)
    with join(device.choose(run.device)) as team:
        if isinstance(run, PianistRun):
            from .pianist import train_pianist

            train_pianist.train(run, team)
        elif isinstance(run, PriorRun):
            from .pianist import train_prior

            train_prior.train(run, team)
        elif isinstance(run, VocoderRun):
            from . import train_vocoder

            train_vocoder.train(run, team)


def describe(path: Path) -> None:
    """Prints the configuration of a checkpoint."""
    saved = checkpoint.read(path)
    if saved is None:
        raise SettingsError(f"{path}: no such checkpoint")
    if "run" not in saved:
        raise SettingsError(f"{path}: no configuration: the weights were adopted, or trained by an older version")
    print(f"# {saved['step']} steps in {saved['spent'] / 60:.1f} minutes")
    print(run_to_toml(saved["run"]), end="")


def _run(command: str, options: dict[str, Any]) -> None:
    if command in RUNS:
        train(build_run(command, options.pop("recipe"), options))
        return
    torch.set_num_threads(options.pop("threads", 1))
    if command == "describe":
        describe(options["checkpoint"])
    elif command == "plot":
        metrics.plot(**options)
    elif command == "adopt":
        from .adopt import adopt

        adopt(**options)
    else:
        from .export import export

        export(**options)


def main() -> None:
    """Runs the command-line interface.

    Reports invalid settings, missing files and missing devices without a traceback.
    """
    options = _arguments()
    try:
        _run(options.pop("command"), options)
    except (SettingsError, NoShards, device.NoDevice, FileNotFoundError) as error:
        sys.exit(f"melos_training: {error}")


if __name__ == "__main__":
    main()
