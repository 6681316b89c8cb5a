"""Training of the Melos networks: VAE, vocoder and latent transformer, and their export to ONNX."""
