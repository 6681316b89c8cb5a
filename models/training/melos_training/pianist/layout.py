"""The pianist's input from the notes, and its layout.

All times are hops of `HOP` samples. The roll runs `AHEAD` hops before the mel: row j of a roll window tells of hop
`start + AHEAD + j`, row j of the mel is frame `start + j`. A mel frame hears sound up to two hops after its middle, so
every attack that a frame holds is known when the frame is made; and it costs no more than these two hops.
"""

from ..constants import HOP, SAMPLE_RATE

AHEAD = 2
"""Hops by which the roll runs before the mel."""
LOWEST_KEY = 21
KEYS = 88
HOP_SECONDS = HOP / SAMPLE_RATE

CHANNELS = ("attack", "force", "held", "young", "old", "rise")
"""
What each key has, at each hop: an attack (1, shared between the two hops around it); its velocity / 127, shared
alike; the velocity of what sounds, until it is damped; the same fading with a time constant of `YOUNG`, and of `OLD`,
seconds since the attack; and a key that rises (1, shared).
"""
YOUNG, OLD = 0.25, 1.5
PEDAL = 2
"""Numbers for the pedal: whether it is down at the end of the hop, and whether that is known."""
ROLL = len(CHANNELS) * KEYS + PEDAL
"""Numbers a hop has."""
