"""Where the repository is that this package lies in: defaults of paths that do not depend on the working folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
