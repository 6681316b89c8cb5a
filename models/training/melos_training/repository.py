"""The root of the repository that contains this package, for default paths."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
