"""From the name of a device to the device, if it is there."""

from __future__ import annotations

import re

import torch

from graphrec.errors import InputError

__all__ = ["resolve_device"]

_NAME = re.compile(r"cpu|mps|cuda(?::(\d+))?")


def resolve_device(name: str | torch.device) -> torch.device:
    """The device that a name stands for.

    Parameters
    ----------
    name : str or torch.device
        ``"auto"`` (the first CUDA device where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Returns
    -------
    torch.device
        A CUDA device has its number, so that two names of one device are equal.

    Raises
    ------
    InputError
        The name is none of these, or this machine has no such device.
    """
    name = str(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"unknown device {name!r}; known are 'auto', 'cpu', 'cuda', a number as in 'cuda:1', and 'mps'.")
    if name.startswith("cuda"):
        number, count = int(found[1] or 0), torch.cuda.device_count() if torch.cuda.is_available() else 0
        if number >= count:
            seen = f"{count} of them, counted from 0" if count else "no CUDA device"
            raise InputError(f"device {name!r} is not there: this torch sees {seen}.")
        return torch.device("cuda", number)
    if name == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' is not there: this torch sees no Apple GPU.")
    return torch.device(name)
