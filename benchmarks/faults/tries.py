"""Tries of an attack in processes of their own, so that a crash or a hang of one is an outcome like any other."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphrec.errors import InputError

__all__ = ["DOCUMENTED", "ELSE", "RIGHT", "Attack", "Skip", "Tally", "Try", "Wrong", "run"]

RIGHT, DOCUMENTED, ELSE = "right", "documented error", "anything else"
Try = Callable[[np.random.Generator], str | None]
"""One try. It returns nothing when the outcome is right, raises, or returns a remark that is counted."""

SECONDS = 60.0  # a try that takes longer hangs; the first of a process may compile
_BROKEN = 70  # exit status of a process in which the attack itself failed


class Wrong(Exception):
    """The library did something that it must not do."""


class Skip(Exception):
    """This attack cannot be made on this machine; the message says why."""


@dataclass(frozen=True)
class Attack:
    """A row of the table.

    Attributes
    ----------
    name : str
    what : str
    make : callable
        From an empty folder to a function that makes one try. Called in the process in which the tries run.
    count : str
        Which option says how many tries there are.
    """

    name: str
    what: str
    make: Callable[[Path], Try]
    count: str = "tries"


@dataclass
class Tally:
    """What became of the tries.

    Attributes
    ----------
    outcomes : Counter
    notes : list of str
        Of every try with another outcome than right or a documented error: its number and what happened.
    remarks : Counter
    skipped : str
        Why it was not tried.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    skipped: str = ""
    seconds: float = 0.0


def run(attack: Attack, tries: int, seed: int, first: int = 0) -> Tally:
    """Make tries ``first … tries - 1``; try i draws from a generator of its own, so that it can be repeated alone."""
    tally, started = Tally(), time.perf_counter()
    done = first
    while done < tries and not tally.skipped:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            done = _batch(attack, Path(folder), done, tries, seed, tally)
    tally.seconds = time.perf_counter() - started
    return tally


def _batch(attack: Attack, folder: Path, first: int, tries: int, seed: int, tally: Tally) -> int:
    """Tries in one process, until all are made or it dies; returns the number of the next try."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(attack, folder, range(first, tries), seed, writing)
    os.close(writing)
    with contextlib.suppress(PermissionError):  # both set it, so that it is set whoever comes first
        os.setpgid(child, child)
    done, rest = first, b""
    try:
        while done < tries:
            ready, _, _ = select.select([reading], [], [], SECONDS)
            block = os.read(reading, 65536) if ready else b""
            if not block:
                os.killpg(child, signal.SIGKILL)  # it and what it started
                _, status = os.waitpid(child, 0)
                child, code = 0, os.waitstatus_to_exitcode(status)
                if code == _BROKEN:
                    raise RuntimeError(f"the attack {attack.name} itself failed; see above")
                how = f"the process died (status {code})" if ready else "it hangs"
                _count(tally, done, {"outcome": ELSE, "note": how})
                return done + 1
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                _count(tally, done, json.loads(line))
                done = tries if tally.skipped else done + 1
        return done
    finally:
        os.close(reading)
        if child:
            os.waitpid(child, 0)


def _count(tally: Tally, number: int, message: dict[str, Any]) -> None:
    if "skip" in message:
        tally.skipped = message["skip"]
        return
    tally.outcomes[message["outcome"]] += 1
    if message["outcome"] == ELSE:
        tally.notes.append(f"try {number}: {message['note']}")
    elif message["note"]:
        tally.remarks[message["note"]] += 1


def _be_child(attack: Attack, folder: Path, numbers: range, seed: int, writing: int) -> None:
    def say(message: dict[str, str]) -> None:
        os.write(writing, json.dumps(message).encode() + b"\n")

    code = 0
    os.setpgid(0, 0)
    try:
        warnings.simplefilter("ignore")
        attempt = attack.make(folder)
        for number in numbers:
            outcome, note = _outcome(attempt, np.random.default_rng([seed, zlib.crc32(attack.name.encode()), number]))
            say({"outcome": outcome, "note": note})
    except Skip as why:
        say({"skip": str(why)})
    except BaseException:  # of the attack itself; the process ends here whatever it was
        traceback.print_exc()
        code = _BROKEN
    finally:
        os._exit(code)


def _outcome(attempt: Try, generator: np.random.Generator) -> tuple[str, str]:
    try:
        return RIGHT, attempt(generator) or ""
    except (InputError, OSError) as error:
        if not str(error).strip():
            return ELSE, f"an error without a word: {error!r}"
        return DOCUMENTED, ""
    except Skip:
        raise
    except Wrong as error:
        return ELSE, str(error)
    except BaseException as error:
        [*_, last] = traceback.extract_tb(error.__traceback__)
        return ELSE, f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({Path(last.filename).name}:{last.lineno})"
