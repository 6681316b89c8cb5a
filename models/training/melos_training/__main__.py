"""`python -m melos_training vae|vocoder|transformer|adopt|export|measure …`."""

import argparse
from pathlib import Path

import torch


def _arguments():
    parser = argparse.ArgumentParser(prog="melos_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("vae", "vocoder", "transformer"):
        command = commands.add_parser(name, help=f"train the {name}, or train it on")
        command.add_argument("--shards", type=Path, nargs="+", required=True, help="folders of `melos-corpus prepare`")
        command.add_argument("--out", type=Path, required=True, help="checkpoint, resumed if it exists")
        budget = command.add_mutually_exclusive_group(required=True)
        budget.add_argument("--minutes", type=float, help="training time over all resumed runs")
        budget.add_argument("--steps", type=int, help="training steps over all resumed runs")
        command.add_argument("--rate", type=float, help="highest learning rate, if not the network's own; lower to train finished weights on")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--every", type=int, default=200, help="steps between two lines of the log")
        command.add_argument("--threads", type=int, default=1)
        if name != "vocoder":
            command.add_argument("--compile", dest="compiled", action="store_true", help="half as fast again, minutes later")
        if name == "vae":
            command.add_argument("--decoder-of", type=Path, help="train only the decoder of this finished checkpoint on")
        if name == "vocoder":
            command.add_argument("--vae", type=Path, help="a finished VAE's checkpoint: half of the windows are told by it")
        if name == "transformer":
            command.add_argument("--vae", type=Path, required=True, help="the VAE's checkpoint")
    command = commands.add_parser("adopt", help="make checkpoints of a published model, to train it on")
    command.add_argument("--model", type=Path, required=True, help="folder of the ONNX files")
    command.add_argument("--out", type=Path, required=True, help="folder for the checkpoints")
    command.add_argument("--threads", type=int, default=1)
    for name in ("export", "measure"):
        command = commands.add_parser(name)
        for part in ("vae", "vocoder", "transformer"):
            command.add_argument(f"--{part}", type=Path, required=True, help=f"the {part}'s checkpoint")
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--shards", type=Path, nargs="+", required=name == "measure", help="folders of `melos-corpus prepare`")
        if name == "export":
            command.add_argument("--commit", default="unknown", help="the commit that trained")
    return vars(parser.parse_args())


def main():
    options = _arguments()
    command = options.pop("command")
    torch.set_num_threads(options.pop("threads"))
    if command == "vae":
        from .train_vae import train as run
    elif command == "vocoder":
        from .train_vocoder import train as run
    elif command == "transformer":
        from .train_transformer import train as run
    elif command == "adopt":
        from .adopt import adopt as run
    elif command == "export":
        from .export import export as run
    else:
        from .report import report as run
    run(**options)


if __name__ == "__main__":
    main()
