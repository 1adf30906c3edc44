"""Seconds and bytes: how they are written, how many are left, and what a candidate will probably cost."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from statistics import median_low

import numpy as np

from graphrec.errors import InputError

__all__ = ["Budget", "Costs", "as_seconds", "as_size", "bytes_of", "seconds_of"]

_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = r"([0-9]*\.?[0-9]+)\s*(ms|s|sec|m|min|h|d)"
_START = 0.5  # seconds that anything may take
_BYTES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def seconds_of(budget: str | float) -> float:
    """``"90s"``, ``"10min"``, ``"1h30min"`` or a number of seconds; :class:`InputError` for anything else."""
    value = math.nan
    if isinstance(budget, str):
        whole = re.fullmatch(rf"\s*(?:[0-9]*\.?[0-9]+|(?:{_TIME}\s*)+)\s*", budget)
        parts = re.findall(rf"{_TIME}|([0-9.]+)", budget) if whole else []
        value = sum(float(number or alone) * _SECONDS[unit] for number, unit, alone in parts) if parts else math.nan
    elif isinstance(budget, int | float | np.number) and not isinstance(budget, bool):
        value = float(budget)
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"budget must be a time such as '90s', '10min' or '1h', or a number of seconds; got {budget!r}.")
    return value


def bytes_of(memory: str | float | None) -> float:
    """``"8GB"`` or a number of bytes; half of what the machine has free for None."""
    if memory is None:
        try:
            return 0.5 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return 2.0**32
    value = math.nan
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)i?b?\s*", memory.lower())
        value = math.nan if found is None else float(found[1]) * _BYTES[found[2]]
    elif isinstance(memory, int | float | np.number) and not isinstance(memory, bool):
        value = float(memory)
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"memory must be a size such as '8GB', or a number of bytes; got {memory!r}.")
    return value


def as_size(n: float) -> str:
    """A number of bytes in a unit in which it shows."""
    for unit, scale in (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if n >= scale:
            return f"{n / scale:.1f} {unit}"
    return "1 byte" if n == 1 else f"{n:.0f} bytes"


def as_seconds(n: float) -> str:
    """A number of seconds with as many digits as show it."""
    n = max(n, 0.0)
    return f"{n:.0f} s" if n >= 9.95 else f"{n:.1f} s" if n >= 0.095 or not n else f"{n:.2g} s"


class Budget:
    """A stop-watch that knows when it must be over.

    Parameters
    ----------
    seconds : float
    spent : float
        What earlier runs of the same search have used up.
    clock : callable
        Seconds since some moment.
    """

    def __init__(self, seconds: float, spent: float = 0.0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds, self._clock, self._started = seconds, clock, clock() - spent

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    @property
    def left(self) -> float:
        """Seconds until the end; negative beyond it."""
        return self.seconds - self.spent


class Costs:
    """What fits took beside what their declared work made one expect.

    The first candidate of a model is judged by the declared work and the pace of all models before it, with half as much
    again for safety; later ones by the pace of the model itself, and what is larger than all before it by the straight line
    through the smallest and the largest of these: part of a fit's time does not grow with its settings.
    """

    def __init__(self) -> None:
        self._ratios: dict[str, list[float]] = {}
        self._seen: dict[str, dict[float, float]] = {}

    def learn(self, model: str, declared: float, took: float) -> None:
        """Take note of a fit."""
        self._ratios.setdefault(model, []).append(took / (declared + _START))
        seen = self._seen.setdefault(model, {})
        seen[declared] = max(took, seen.get(declared, 0.0))

    def expected(self, model: str, declared: float) -> float:
        """Seconds that a fit will probably take."""
        if model not in self._ratios:
            return 1.5 * (declared + self._start()) * self.pace()
        ratios, seen = self._ratios[model], self._seen[model]
        as_before = (declared + _START) * max(ratios[1:] or ratios)  # the first may have loaded compiled code
        least, most = min(seen), max(seen)
        if not least < most < declared:
            return as_before
        growth = max(0.0, seen[most] - seen[least]) / (most - least)
        return min(as_before, seen[most] + growth * (declared - most))

    def _start(self) -> float:
        """What a fit of nothing may take: where all are over in no time, not half a second."""
        took = [max(seen.values()) for seen in self._seen.values()]
        return min(_START, 3.0 * float(np.median(took))) if took else _START

    def pace(self) -> float:
        """Seconds for each declared one on this machine, as the latest fits of all models say."""
        latest = [ratios[-1] for ratios in self._ratios.values()]
        return float(np.clip(median_low(latest), 0.5, 4.0)) if latest else 1.0
