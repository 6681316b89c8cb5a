"""Evaluates the music that Melos plays: `python -m melos_training.evaluation`, called by `make evaluate`."""
