"""Runs RAVE's decoder in streaming mode: peer_rave.py BLOCKS

Uses the `v2` configuration of `acids-rave` with random weights: its generator, scripted as in an export, and the filter bank that joins
the bands, both with cached convolutions. Writes BLOCKS blocks of 4096 samples (two latents), mono float32, to standard output.
"""

import sys

import cached_conv
import gin
import torch

cached_conv.use_cached_conv(True)

# Imported only now, because RAVE's layers use the kind of convolution that is selected at the time of the import.
import rave  # noqa: E402

LATENTS = 2


@torch.inference_mode()
def main(blocks):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    gin.parse_config_file("v2.gin")
    model = rave.RAVE(n_channels=1).eval()
    for module in model.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    latents = torch.zeros(1, model.latent_size, LATENTS)
    # The first call allocates the caches, without which a module cannot be scripted.
    model.decoder(latents)
    generator = torch.jit.script(model.decoder)
    for _ in range(blocks):
        sound = model.pqmf.inverse(generator(latents.normal_()))
        sys.stdout.buffer.write(sound.numpy().tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
