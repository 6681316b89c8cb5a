"""The pianist, which turns notes, and latents that describe the touch, into the log-mel of one of several pianos."""
