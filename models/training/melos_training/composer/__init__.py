"""The composer: a network that writes the notes of a performance, one latent of the pianist (85 ms) at a time.

In this package, a latent is this span of time; in file formats and in the names of graph inputs and outputs, it is
called `frame`.
"""
