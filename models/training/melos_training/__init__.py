"""Training of the Melos networks (composer, pianist with its prior, and vocoder) and their export to ONNX."""
