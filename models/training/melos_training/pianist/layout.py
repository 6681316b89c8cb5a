"""The layout of the piano roll, the pianist's input.

Times are measured in hops of `HOP` samples. The roll is `AHEAD` hops ahead of the mel: row j of a roll window is hop
`start + AHEAD + j`, and row j of the mel is frame `start + j`. A mel frame contains sound up to two hops after its
centre, so every attack in a frame is known when the frame is generated, at the cost of two hops of latency.
"""

from ..constants import HOP, SAMPLE_RATE

AHEAD = 2
"""Hops by which the roll is ahead of the mel."""
LOWEST_KEY = 21
KEYS = 88
HOP_SECONDS = HOP / SAMPLE_RATE

CHANNELS = ("attack", "attack_velocity", "held", "fast_decay", "slow_decay", "release")
"""
Values for each key and hop: an attack (1, split between the two nearest hops); its velocity / 127, split likewise; the
velocity / 127 of the sounding note until it is damped, once constant and twice decaying from the attack, with time
constants of `FAST_DECAY` and `SLOW_DECAY` seconds; and a release (1, split likewise).
"""
FAST_DECAY, SLOW_DECAY = 0.25, 1.5
PEDAL = 2
"""Number of values for the pedal: whether it is down at the end of the hop, and whether that is known."""
ROLL = len(CHANNELS) * KEYS + PEDAL
"""Number of values per hop."""
