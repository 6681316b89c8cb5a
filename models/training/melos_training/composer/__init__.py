"""The composer: a network that writes the notes of a performance, one latent of the pianist (85 ms) at a time.

In docstrings, a latent is this span of time; `frames` in the code counts latents.
"""
