"""Trains the networks of Melos (composer, pianist with its prior, and vocoder), and exports them to ONNX."""
