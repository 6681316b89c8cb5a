"""The pianist, which renders notes and a latent that describes the touch as the log-mel of one of several pianos."""
