"""A command that several processes run: one of them speaks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from graphrec.distributed.group import Group

__all__ = ["one_voice"]

_MEANWHILE = 5.0  # seconds, in which a process that was told the same says so and torchrun ends the others


@contextmanager
def one_voice(group: Group | None) -> Iterator[None]:
    """Let nobody but the writer print; alone, nothing changes.

    An error that all processes run into is the writer's to tell. One that is another process's alone is told by that one, a
    moment later; that somebody else has ended is told by whoever finds out.
    """
    if group is None or group.is_writer:
        yield
        return
    with open(os.devnull, "w") as nowhere:
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
        except KeyboardInterrupt:
            raise SystemExit(130) from None  # as the writer says
        except ConnectionError:
            raise
        except Exception:
            group.pulse.end()  # the store may end with the writer, of which torch tells in twenty lines
            time.sleep(_MEANWHILE)
            raise
