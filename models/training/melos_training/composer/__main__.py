"""Trains and evaluates the composer: `python -m melos_training.composer prepare|train|evaluate|play|time|curve …`."""

import argparse
from pathlib import Path

import torch


def _parse_corpora(entries: list[str]) -> dict[str, Path]:
    return {name: Path(root) for name, _, root in (entry.partition("=") for entry in entries)}


def main() -> None:
    """Runs the command-line interface."""
    parser = argparse.ArgumentParser(prog="melos_training.composer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare", help="read corpora into a library")
    command.add_argument(
        "--corpus", action="append", required=True, metavar="NAME=FOLDER", help="pop909, giantmidi or mutopia"
    )
    command.add_argument("--out", type=Path, required=True, help="the library, .npz")
    command = commands.add_parser("train", help="train, or resume training")
    command.add_argument("--run", type=Path, required=True, help="folder; an existing run is resumed")
    command.add_argument("--configuration", type=Path, help="TOML file that configures a new run")
    command.add_argument("--minutes", type=float, default=float("inf"), help="additional minutes of training")
    command.add_argument("--steps", type=float, default=float("inf"), help="additional steps of training")
    command.add_argument(
        "--cool", action="store_true", help="decay the learning rate to zero over this budget, and write cooled.pt"
    )
    command.add_argument("--device", default="auto")
    command.add_argument("--threads", type=int, default=1)
    command = commands.add_parser("evaluate", help="compare held-out songs with performances of their plans")
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--library", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="folder")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--excerpts", type=int, help="maximum number of excerpts of each kind")
    command.add_argument("--threads", type=int, default=1)
    command = commands.add_parser("play", help="write MIDI files of held-out songs and of performances of their plans")
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--library", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="folder")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--count", type=int, default=4, help="number of songs")
    command.add_argument("--seconds", type=float, default=60.0)
    command.add_argument("--temperature", type=float, default=1.0, help="0.2 is plain, 2 adventurous")
    command = commands.add_parser("time", help="measure the processor time of the exported graphs")
    command.add_argument("--model", type=Path, required=True, help="folder of the exported model")
    command = commands.add_parser("curve", help="plot the metrics of a run")
    command.add_argument("--run", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="PNG file")
    options = parser.parse_args()
    torch.set_num_threads(getattr(options, "threads", 1))
    run(options)


def run(options: argparse.Namespace) -> None:
    """Runs the command that the options name."""
    if options.command == "prepare":
        from .prepare import prepare

        prepare(_parse_corpora(options.corpus), options.out)
    elif options.command == "train":
        from .configuration import Configuration
        from .training import Run

        if options.cool and min(options.minutes, options.steps) == float("inf"):
            raise SystemExit("melos_training.composer: --cool requires --minutes or --steps")
        configuration = Configuration.read(options.configuration) if options.configuration else None
        Run(options.run, configuration, options.device).train(options.minutes, options.steps, options.cool)
    elif options.command == "evaluate":
        from .evaluation import evaluate

        evaluate(options.checkpoint, options.library, options.out, options.seed, options.excerpts)
    elif options.command == "play":
        from .writing import write_songs

        write_songs(
            options.checkpoint,
            options.library,
            options.out,
            options.count,
            options.seconds,
            options.temperature,
            options.seed,
        )
    elif options.command == "time":
        from .timing import measure

        measure(options.model)
    else:
        from .report import plot_curve
        from .training import METRICS

        plot_curve(options.run / METRICS, options.out)


if __name__ == "__main__":
    main()
