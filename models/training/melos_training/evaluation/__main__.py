"""`python -m melos_training.evaluation`: writes models/EVALUATION.md."""

import argparse
from pathlib import Path

import torch

from .. import repository
from .document import SECTIONS, write
from .study import Sizes, Study


def main() -> None:
    """Runs the command-line interface. Default paths are in the repository, whatever the working folder."""
    root = repository.ROOT
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--melos", type=Path, default=root / "target/release/melos")
    help_text = "folders written by `melos-corpus prepare --held-out --audio`, one per piano, in the model's order"
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help=help_text)
    parser.add_argument("--library", type=Path, required=True, help="the library written by the composer's `prepare`")
    parser.add_argument("--data", type=Path, required=True, help="folder with pop909, giantmidi and mutopia")
    parser.add_argument(
        "--work",
        type=Path,
        default=root / "target/evaluation",
        help="folder in which renderings and features are cached",
    )
    parser.add_argument("--excerpts", type=int, default=64, help="number of excerpts for each emotion")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of an excerpt")
    parser.add_argument("--hours", type=float, default=1.0, help="length of the endurance test for each emotion")
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to write; all by default"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = Sizes(options.excerpts, options.seconds, options.hours)
    study = Study(options.melos, options.shards, options.library, options.data, options.work, sizes)
    write(study, options.sections, root / "models")


if __name__ == "__main__":
    main()
