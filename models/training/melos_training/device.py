"""Where networks are trained: the processor or an accelerator."""

import os

import torch


class NoDevice(Exception):
    """A device that this machine does not have."""


def choose(name: str) -> torch.device:
    """The device of a `--device`: `auto` is a CUDA device where there is one, else the processor.

    Under `torchrun`, every process of a machine takes the CUDA device of its local rank. Raises `NoDevice` for a device
    that this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise NoDevice(f"device {name!r}: expected auto, cpu, cuda, cuda:0 or another device of PyTorch") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise NoDevice(f"device {name!r}: PyTorch finds no CUDA device here; auto or cpu would do")
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        if device.index >= torch.cuda.device_count():
            raise NoDevice(
                f"device {name!r}: this machine has {torch.cuda.device_count()} CUDA devices, from cuda:0 on"
            )
    return device
