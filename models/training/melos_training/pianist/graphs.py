"""The prior and the decoder as the daemon runs them: one latent at a time."""

from torch import Tensor, nn

from ..constants import LATENT_FRAMES
from ..graphs import MEL, Graph, Port, encoder_graph, state, state_next
from ..layers import Carry
from .layout import ROLL
from .network import Decoder, Pianist, Prior
from .sampling import deviation
from .windows import MOOD


class PriorGraph(nn.Module):
    """Predicts the normal distributions from which the dimensions of the next latent are sampled."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, before: Tensor, state: Tensor, roll: Tensor, piano: Tensor, mood: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        carry = Carry(state)
        mean, log_variance = self.prior(before[:, None], roll, piano[None], mood[:, None], carry)
        return mean[:, 0], deviation(log_variance[:, 0]), carry.packed()


class DecoderGraph(nn.Module):
    """Maps a latent and the roll to eight mel frames."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor, state: Tensor, roll: Tensor, piano: Tensor) -> tuple[Tensor, Tensor]:
        carry = Carry(state)
        mel = self.decoder(z[:, None], roll, piano[None], carry)
        return mel, carry.packed()


def build(pianist: Pianist, prior: Prior) -> dict[str, Graph]:
    """Builds the graphs of the prior, the decoder and the encoder, by file name."""
    latent, pianos = pianist.latent, pianist.decoder.notes.piano.num_embeddings
    roll = Port("roll", [1, LATENT_FRAMES, ROLL], "hops of the piano roll, ahead of the mel")
    piano = Port("piano", [pianos], "weights of the pianos, summing to 1")
    mood = Port("mood", [1, MOOD], "weights of the eight emotions, then valence and arousal, then two masks")
    prior_size, decoder_size = prior.state_size(), pianist.decoder.state_size()
    return {
        "pianist-prior": Graph(
            PriorGraph(prior),
            [Port("before", [1, latent], "previous latent; zeros at first"), state(prior_size), roll, piano, mood],
            [
                Port("mean", [1, latent], "mean of the next latent"),
                Port("deviation", [1, latent], "standard deviation with which to sample it"),
                state_next(prior_size),
            ],
        ),
        "pianist-decoder": Graph(
            DecoderGraph(pianist.decoder),
            [Port("z", [1, latent], "one latent"), state(decoder_size), roll, piano],
            [MEL, state_next(decoder_size)],
        ),
        "encoder": encoder_graph(pianist.encoder, latent),
    }
