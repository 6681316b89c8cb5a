"""`python -m melos_training.pianist`: prints, as JSON, how well a trained pianist reconstructs held-out shards."""

import argparse
import json
import sys
from pathlib import Path

import torch

from ..data import NoShards
from ..runs import SettingsError
from .measure import measure
from .train_pianist import load_pianist, load_prior


def main() -> None:
    """Runs the command-line interface."""
    parser = argparse.ArgumentParser(prog="melos_training.pianist", description=__doc__)
    parser.add_argument("--pianist", type=Path, required=True, help="the pianist's checkpoint")
    parser.add_argument("--prior", type=Path, required=True, help="its prior's checkpoint")
    shards_help = "folders written by `melos-corpus prepare`"
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help=shards_help)
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        pianist, pianos = load_pianist(options.pianist)
        prior = load_prior(options.prior, pianist, pianos)
        results = measure(pianist, prior, pianos, options.shards, options.split)
    except (SettingsError, NoShards, FileNotFoundError) as error:
        sys.exit(f"melos_training.pianist: {error}")
    print(json.dumps({name: {k: round(v, 3) for k, v in part.items()} for name, part in results.items()}, indent=2))


if __name__ == "__main__":
    main()
