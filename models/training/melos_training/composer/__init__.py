"""The composer: a network that writes the notes of a performance, one latent of the pianist (85 ms) at a time.

In this package, a latent is this span of time; file formats and port names call it `frame`.
"""
