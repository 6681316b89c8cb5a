"""Chooses the training device: the CPU or an accelerator."""

import os

import torch


class NoDevice(Exception):
    """Raised if the machine does not have the requested device."""


def choose(name: str) -> torch.device:
    """Returns the device for `--device`: `auto` is a CUDA device if there is one, otherwise the CPU.

    Under `torchrun`, `auto` and `cuda` choose the CUDA device of the process's local rank. Raises `NoDevice` if the
    device is unknown or missing.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise NoDevice(f"device {name!r}: expected auto, cpu, cuda, cuda:0 or another PyTorch device") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise NoDevice(f"device {name!r}: PyTorch finds no CUDA device; use auto or cpu")
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        if device.index >= torch.cuda.device_count():
            raise NoDevice(
                f"device {name!r}: this machine has {torch.cuda.device_count()} CUDA devices, numbered from cuda:0"
            )
    return device
