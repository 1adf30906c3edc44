"""From the weights of a fitted model to those of the same model over more users and items."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.models.parts.fold_in import linear_guess
from graphrec.models.scoring import as_evaluated

__all__ = ["grown"]


@torch.no_grad()
def grown(earlier: Model, model: Model, old: Interactions, table: Interactions) -> None:
    """Fill a model over a wider id space from a fitted one, which stays as it is.

    A tensor of the state that has a row (or a column) for each user, item or node keeps those of the old ones. A new
    user's rows follow from the mean encoded row of the old items that the user has met, and from their number, as they
    do for old users by least squares; a new item's follow likewise from its old users. Whoever has met nothing old
    starts at the mean of the old rows. Everything else is copied.

    Parameters
    ----------
    earlier : Model
        Built from `old` and fitted.
    model : Model
        The same model, built from `table` on the CPU.
    old, table : Interactions
        The ids of `old` come first in `table`.

    Raises
    ------
    InputError
        A tensor has another shape for a reason that this cannot see.
    """
    z = as_evaluated(earlier).encode()
    users, items = z.users.full().float().cpu(), z.items.full().float().cpu()
    matrix = table.to_csr("ones")
    of_users, of_items = matrix[:, : old.n_items], matrix.T.tocsr()[:, : old.n_users]
    sides = {"user": _Side(of_users, items, old.to_csr("ones")), "item": _Side(of_items, users, old.to_csr("ones").T.tocsr())}
    before, after = earlier.state_dict(), {}
    for name, fresh in model.state_dict().items():
        tensor = before[name].cpu()
        for axis in range(tensor.ndim):
            a, b = tensor.shape[axis], fresh.shape[axis]
            if a != b:
                tensor = _along(tensor.movedim(axis, 0), a, b, old, table, sides, name).movedim(0, axis)
        after[name] = tensor
    model.load_state_dict(after)


class _Side:
    """What is known of the old and of all users (or items): the mean row of their partners and how many they are."""

    def __init__(self, now: sparse.csr_matrix, partners: Tensor, before: sparse.csr_matrix) -> None:
        self._count = before.shape[0]
        self._active = torch.as_tensor(np.diff(before.indptr) > 0)
        self._known = _described(before, partners)
        rest = now[self._count :]
        self._new = _described(rest, partners)
        self._met = torch.as_tensor(np.diff(rest.indptr) > 0)

    def extended(self, rows: Tensor) -> Tensor:
        """Rows of the old (n, …), and below them rows for the new."""
        if not rows.is_floating_point():
            return torch.cat([rows, rows.new_zeros(len(self._new), *rows.shape[1:])])
        flat = rows.reshape(len(rows), -1)
        trained = flat[self._active]
        guess = linear_guess(self._known[self._active], trained)
        made = torch.where(self._met[:, None], self._new @ guess, trained.mean(0))
        return torch.cat([rows, made.reshape(-1, *rows.shape[1:])])


def _described(histories: sparse.csr_matrix, partners: Tensor) -> Tensor:
    """Mean row of the partners, logarithm of their number, and 1: shape (n, d + 2)."""
    count = np.diff(histories.indptr)[:, None].astype(np.float32)
    mean = (histories @ partners.numpy()) / np.maximum(count, 1)
    return torch.as_tensor(np.concatenate([mean, np.log1p(count), np.ones_like(count)], 1, dtype=np.float32))


def _along(
    tensor: Tensor, a: int, b: int, old: Interactions, table: Interactions, sides: dict[str, _Side], name: str
) -> Tensor:
    """The first axis, of length a, extended to length b."""
    if (a, b) == (old.n_users, table.n_users):
        return sides["user"].extended(tensor)
    if (a, b) == (old.n_items, table.n_items):
        return sides["item"].extended(tensor)
    if (a, b) == (old.n_users + old.n_items, table.n_users + table.n_items):
        users, items = tensor[: old.n_users], tensor[old.n_users :]
        return torch.cat([sides["user"].extended(users), sides["item"].extended(items)])
    raise InputError(f"update cannot extend this model: its {name} has {a} entries and needs {b}, for no reason that is known.")
