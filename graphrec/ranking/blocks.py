"""How many users and items are scored at a time, under a budget of memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from graphrec.devices import free_memory
from graphrec.threads import thread_count

__all__ = ["BUDGET", "Blocks", "plan_blocks", "plan_device_blocks"]

BUDGET = 256 * 2**20
# A block of scores that is scanned while it still lies in a core's cache; wider ones halve the matmul's speed.
_USERS, _ITEMS = 512, 1024
_WHOLE_ROWS = 5 * 2**20  # scores in a block of whole rows; with more of them each row takes twice as long


@dataclass(frozen=True)
class Blocks:
    """How many users and items a block of scores has; each thread holds one block."""

    users: int
    items: int


def plan_blocks(n_users: int, n_items: int, whole_rows: bool, budget: int = BUDGET, threads: int | None = None) -> Blocks:
    """Block sizes for which the scores of all threads fit the budget.

    Parameters
    ----------
    n_users, n_items : int
        Size of the whole ranking.
    whole_rows : bool
        Whether a block must have all items.
    budget : int
        Bytes. At least one user's row is always held.
    threads : int, optional

    Returns
    -------
    Blocks
    """
    threads = thread_count() if threads is None else threads
    scores = max(1, budget // (4 * threads) // 2)  # half of it for a model's own intermediate results
    if whole_rows:
        users, items = min(_USERS, _WHOLE_ROWS // max(n_items, 1)), n_items
    else:
        users = min(_USERS, n_users)
        items = min(_USERS * _ITEMS // max(users, 1), n_items, scores)  # few users: as many scores, in fewer blocks
    return Blocks(max(1, min(users, n_users, scores // max(items, 1))), max(1, items))


# A score on a device takes 4 bytes, as much again masked, its key 8, what topk or a sort make of them, and a comparison.
_BYTES_A_SCORE = 40
_WIDEST = 4096  # users: more of them keep no device busier


def plan_device_blocks(n_users: int, n_items: int, device: torch.device, budget: int = BUDGET) -> Blocks:
    """Block sizes for whole rows of scores on another device than the CPU.

    Parameters
    ----------
    n_users, n_items : int
    device : torch.device
    budget : int
        Bytes; where it is the usual one, half of what is free on the device takes its place, if the device tells.

    Returns
    -------
    Blocks
    """
    free = free_memory(device) if budget == BUDGET else None
    scores = (budget if free is None else free // 2) // _BYTES_A_SCORE
    return Blocks(max(1, min(_WIDEST, n_users, scores // max(n_items, 1))), max(1, n_items))
