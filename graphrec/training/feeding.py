"""Batches on their way to the model: drawn ahead by a thread and copied without waiting, where there is a device to feed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import torch

from graphrec.devices import is_real_cuda

__all__ = ["fed"]

_AHEAD = 8  # batches; each is a few hundred kilobytes at most
_END = object()


def fed(sampler: Iterable[Any], device: torch.device) -> Generator[Any]:
    """The batches of one epoch on a device, in the order of the sampler.

    Parameters
    ----------
    sampler : iterable
        Started here, in the asking thread: what is random of an epoch is drawn when its iteration starts. One with
        ``can_run_ahead`` is then iterated by a thread, but for the CPU, where that thread would take time from the steps.
    device : torch.device
    """
    batches = iter(sampler)
    if device.type != "cpu" and getattr(sampler, "can_run_ahead", False):
        batches = _drawn_ahead(batches, pin=is_real_cuda(device))
    for batch in batches:
        yield batch.to(device) if hasattr(batch, "to") else batch


def _drawn_ahead(batches: Iterator[Any], pin: bool) -> Iterator[Any]:
    """The same batches, some of which are there before they are asked for."""
    ready: queue.Queue[Any] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(thing: Any) -> None:
        while not stopped.is_set():
            try:
                ready.put(thing, timeout=0.1)
                break
            except queue.Full:
                continue  # look again whether anybody still wants it

    def draw() -> None:
        try:
            for batch in batches:
                put(batch.pinned() if pin else batch)
                if stopped.is_set():
                    return
            put(_END)
        except BaseException as error:  # for the thread that waits for batches
            put(error)

    thread = threading.Thread(target=draw, name="graphrec-batches", daemon=True)
    thread.start()
    try:
        while (thing := ready.get()) is not _END:
            if isinstance(thing, BaseException):
                raise thing
            yield thing
    finally:
        stopped.set()
        thread.join()
