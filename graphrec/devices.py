"""Devices: from a name to the device if it is there, its random state, and what of its memory is free."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = [
    "device_of",
    "free_memory",
    "is_real_cuda",
    "plainly",
    "random_state",
    "resolve_device",
    "seeded",
    "set_random_state",
    "turn",
    "with_number",
]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_TWO_DEVICES = "Expected all tensors to be on the same device"  # torch's words
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


def device_of(*modules: torch.nn.Module) -> torch.device:
    """Where the first parameter or buffer of some modules is; the CPU where they have none."""
    found = (t.device for module in modules for t in (*module.parameters(), *module.buffers()))
    return next(found, torch.device("cpu"))


def with_number(device: torch.device | str) -> torch.device:
    """The device that a tensor which is sent to this one says that it is on: ``"cuda"`` is the current CUDA device."""
    return torch.empty(0, device=device, dtype=torch.float32).device


def is_real_cuda(device: torch.device) -> bool:
    """Whether a device is a GPU behind CUDA or ROCm: one with streams, pinned memory and a count of free bytes.

    A build of torch for the CPU can be made to have a device of that name, for tests.
    """
    return device.type == "cuda" and (torch.version.cuda is not None or torch.version.hip is not None)


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be allocated on a device; None where nobody tells."""
    if not is_real_cuda(device):
        return None
    return int(torch.cuda.mem_get_info(device)[0])


def plainly(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function run as if nobody had switched gradients off, autocast or inference mode on, or another default device.

    The library names the devices of what it computes, and takes for granted that everything else lies in the host's memory.
    A tensor of the caller's own model that was left there gets a sentence.
    """

    @wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            try:
                return function(*args, **kwargs)
            except RuntimeError as error:
                if _TWO_DEVICES not in str(error):
                    raise
                raise InputError(
                    f"tensors of two devices meet ({str(error).splitlines()[0]}). What a model keeps beside its parameters "
                    "moves with it as a buffer, self.register_buffer('name', tensor) in its constructor; a loss or a sampler "
                    "sends what it keeps to the device of what it is given."
                ) from error

    return run


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's default generators of the CPU and of one device, and put the caller's states back at the end.

    No other device is touched; ``torch.manual_seed`` would seed all of them. The generators are the process's: whoever wants
    them in another thread waits until the one before has put the states back.

    Parameters
    ----------
    seed : int
        From 0 to 2**63 − 1.
    device : torch.device, optional
    """
    with _one_at_a_time:
        host, own = torch.get_rng_state(), None if device is None else random_state(device)
        try:
            torch.default_generator.manual_seed(seed)
            if device is not None and device.type == "cuda":
                _generator(device).manual_seed(seed)
            elif device is not None and device.type == "mps":
                torch.mps.manual_seed(seed)
            yield
        finally:
            torch.set_rng_state(host)
            if device is not None and own is not None:
                set_random_state(device, own)


_one_at_a_time = threading.RLock()


def turn() -> threading.RLock:
    """What a thread holds from where it reads a recommender's state to where it sets another: fits and updates take turns."""
    return _one_at_a_time


def _after_a_fork() -> None:
    """The thread that held the lock is not in the new process."""
    global _one_at_a_time
    _one_at_a_time = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_a_fork)


def random_state(device: torch.device) -> Tensor | None:
    """State of a device's own default generator, uint8 on the CPU; None for the CPU, whose state torch keeps apart."""
    if device.type == "cuda":
        return _generator(device).get_state().cpu()
    return torch.mps.get_rng_state().cpu() if device.type == "mps" else None


def set_random_state(device: torch.device, state: Tensor) -> None:
    """Put back what :func:`random_state` gave."""
    if device.type == "cuda":
        _generator(device).set_state(state)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)


def _generator(device: torch.device) -> torch.Generator:
    torch.cuda.init()  # type: ignore[no-untyped-call]
    return torch.cuda.default_generators[device.index or 0]
