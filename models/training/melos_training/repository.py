"""The repository that contains this package, for default paths independent of the working folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
