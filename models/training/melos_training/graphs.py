"""The modules as the daemon runs them: one step each, static shapes, every state explicit."""

import torch
from torch import nn

from .constants import BINS, CONDITION_COUNT, LATENT_DIMS, LATENT_FRAMES, MEL_BANDS
from .layers import Carry
from .transformer import HEAD_DIM, HEADS, LAYERS, rotate

SLOTS = 224
"""Slots of the host's key and value ring; at most the window less one are visible."""
ENCODER_FRAMES = 256


class EncoderGraph(nn.Module):
    """`mel` [1, 256, 128] to `mean` [1, 32, 32]."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, mel):
        return self.encoder(mel)[0]


class DecoderGraph(nn.Module):
    """`z` [1, 32] and `state` to `mel` [1, 8, 128] and the next state."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder
        carry = Carry()
        decoder(torch.zeros(1, 1, LATENT_DIMS), carry)
        self.state_size = carry.size

    def forward(self, z, state):
        carry = Carry(state)
        mel = self.decoder(z[:, None], carry)
        return mel, carry.packed()


class VocoderGraph(nn.Module):
    """`mel` [1, 8, 128] and `state` to `real` and `imag` [1, 8, 1025] and the next state."""

    def __init__(self, vocoder):
        super().__init__()
        self.vocoder = vocoder
        self.state_size = vocoder.state_size()

    def forward(self, mel, state):
        carry = Carry(state)
        real, imag = self.vocoder(mel, carry)
        return real, imag, carry.packed()


class TransformerGraph(nn.Module):
    """One latent: both rows of the guidance pair share the previous latent and each keeps its own keys and values."""

    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, z, start, conditions, noise, guidance, mask, cos, sin, *rings):
        net = self.transformer
        previous = (z - net.mean) / net.deviation * (1 - start)
        x = (net.enter(previous) + net.conditions(conditions))[:, None]
        keys, values = [], []
        for index, layer in enumerate(net.layers):
            query, key, value = layer.heads(x, cos, sin)
            keys.append(key)
            values.append(value)
            scale = HEAD_DIM ** -0.5
            k, v = rings[2 * index:2 * index + 2]
            past = query @ k.transpose(2, 3) * scale + mask
            own = (query * key).sum(3, keepdim=True) * scale
            weights = torch.softmax(torch.cat([past, own], 3), 3)
            attended = weights[..., :SLOTS] @ v + weights[..., SLOTS:] * value
            x = layer.close(x, attended)
        context = net.norm(x)[:, 0]
        z_next = net.sample(context, noise, guidance) * net.deviation + net.mean
        return z_next, torch.stack(keys), torch.stack(values)


RING_SHAPE = 2, HEADS, SLOTS, HEAD_DIM
"""Shape of one layer's key and of its value ring. Each is an input of its own, for taking one tensor of all apart would copy it."""


def build(vae, vocoder, transformer):
    """Each graph with its input and output contract: name to (module, inputs, outputs); a port is (name, shape, meaning)."""
    decoder, voice = DecoderGraph(vae.decoder), VocoderGraph(vocoder)
    row = [LAYERS, 2, HEADS, 1, HEAD_DIM]
    mel = ("mel", [1, LATENT_FRAMES, MEL_BANDS], "log-mel, natural log, floor 1e-5")

    rings = [
        port
        for layer in range(LAYERS)
        for port in (
            (f"k{layer}", list(RING_SHAPE), "keys of past positions, any order"),
            (f"v{layer}", list(RING_SHAPE), "values of past positions, in the order of the keys"),
        )
    ]

    def state(size):
        return ("state", [1, size], "packed state; zeros at the start")

    def state_next(size):
        return ("state_next", [1, size], "state of the next call")

    return {
        "transformer": (
            TransformerGraph(transformer),
            [
                ("z", [1, LATENT_DIMS], "previous latent, as the VAE has it"),
                ("start", [1], "1 for the first latent (z is ignored), else 0"),
                ("conditions", [2, CONDITION_COUNT], "of the latent to come: wanted, then the reference for guidance"),
                ("noise", [1, LATENT_DIMS], "normal noise; its deviation is the square root of the temperature"),
                ("guidance", [1], "reference + guidance x (wanted - reference); 1 is the wanted alone"),
                ("mask", [1, SLOTS], "0 where a slot is visible, -1e9 where not"),
                ("cos", [HEAD_DIM], "cosines of position x base^(-2i/64), i = 0..31, twice over"),
                ("sin", [HEAD_DIM], "sines likewise"),
                *rings,
            ],
            [
                ("z_next", [1, LATENT_DIMS], "the next latent, as the VAE has it"),
                ("k_new", row, "this position's keys, to be put into a slot"),
                ("v_new", row, "this position's values"),
            ],
        ),
        "decoder": (
            decoder,
            [("z", [1, LATENT_DIMS], "one latent"), state(decoder.state_size)],
            [mel, state_next(decoder.state_size)],
        ),
        "vocoder": (
            voice,
            [mel, state(voice.state_size)],
            [
                ("real", [1, LATENT_FRAMES, BINS], "real part of STFT frames, look_ahead frames late"),
                ("imag", [1, LATENT_FRAMES, BINS], "imaginary part"),
                state_next(voice.state_size),
            ],
        ),
        "encoder": (
            EncoderGraph(vae.encoder),
            [("mel", [1, ENCODER_FRAMES, MEL_BANDS], "log-mel, natural log, floor 1e-5")],
            [("mean", [1, ENCODER_FRAMES // LATENT_FRAMES, LATENT_DIMS], "one latent per 8 frames")],
        ),
    }
