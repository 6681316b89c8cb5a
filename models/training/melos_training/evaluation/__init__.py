"""Measures what Melos plays: `python -m melos_training.evaluation`, which `make evaluate` calls."""
