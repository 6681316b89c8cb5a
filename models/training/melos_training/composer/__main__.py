"""`python -m melos_training.composer prepare|train …`."""

import argparse
from pathlib import Path

import torch


def _roots(entries: list[str]) -> dict[str, Path]:
    return {name: Path(root) for name, _, root in (entry.partition("=") for entry in entries)}


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="melos_training.composer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare", help="read corpora into a library")
    command.add_argument(
        "--corpus", action="append", required=True, metavar="NAME=FOLDER", help="pop909, giantmidi or mutopia"
    )
    command.add_argument("--out", type=Path, required=True, help="the library, .npz")
    command = commands.add_parser("train", help="train, or train on")
    command.add_argument("--run", type=Path, required=True, help="folder of the run; what is there is gone on with")
    command.add_argument("--configuration", type=Path, help="TOML file of a new run")
    command.add_argument("--minutes", type=float, default=float("inf"), help="how long from now")
    command.add_argument("--steps", type=float, default=float("inf"), help="how many steps from here")
    command.add_argument("--cool", action="store_true", help="let the learning rate fall to nothing, into cooled.pt")
    command.add_argument("--device", default="auto")
    command.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.command == "prepare":
        from .prepare import prepare

        prepare(_roots(options.corpus), options.out)
    else:
        from .configuration import Configuration
        from .training import Run

        torch.set_num_threads(options.threads)
        configuration = Configuration.read(options.configuration) if options.configuration else None
        Run(options.run, configuration, options.device).train(options.minutes, options.steps, options.cool)


if __name__ == "__main__":
    main()
