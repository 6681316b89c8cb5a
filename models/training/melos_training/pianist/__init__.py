"""The pianist: turns notes and a latent that describes the touch into the log-mel of one of several pianos."""
