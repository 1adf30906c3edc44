"""Items that a user has not met, many at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["KINDS", "NegativeSampler", "draw_seed", "saturated_users"]

KINDS = ("uniform", "approximate", "popularity", "hardest")
_WORTH_A_THREAD = 100_000


def draw_seed(generator: torch.Generator) -> np.uint64:
    """One 63-bit number from a generator: all a vectorised draw takes from it."""
    return np.uint64(torch.randint(2**63 - 1, (1,), generator=generator).item())


def saturated_users(train: Interactions) -> npt.NDArray[np.int64]:
    """Users who have met every item."""
    return np.flatnonzero(np.diff(train.structure[0]) == train.n_items)


class NegativeSampler:
    """Draws negatives for given users.

    Parameters
    ----------
    train : Interactions
    kind : {"uniform", "hardest", "approximate", "popularity"}
        ``"uniform"`` and ``"hardest"`` (whose candidates the loss picks from) reject what the user has in
        train, exactly. ``"popularity"`` draws in proportion to degree ** `power` and rejects, too.
        ``"approximate"`` rejects nothing.
    power : float
        Exponent of the degree.

    Attributes
    ----------
    log_q : Tensor of float32, shape (n_items,)
        Log-probability of each item before rejection; -inf for one that is never drawn.
    """

    def __init__(self, train: Interactions, kind: str = "uniform", power: float = 1.0) -> None:
        from graphrec.sampling import kernels

        if kind not in KINDS:
            raise unknown_name("kind of negatives", kind, [*KINDS, "in-batch"])
        self.train, self.kind = train, kind
        self._indptr, self._indices = train.structure
        weight = np.ones(train.n_items)
        if kind == "popularity":
            weight = np.bincount(self._indices, minlength=train.n_items).astype(np.float64)
            weight = np.where(weight > 0, weight**power, 0.0)
        probability = weight / weight.sum()
        with np.errstate(divide="ignore"):
            self.log_q = torch.tensor(np.log(probability), dtype=torch.float32)
        empty = np.zeros(0, np.int64)
        self._threshold, self._alias = _alias_table(probability) if kind == "popularity" else (empty, empty)
        # Sixteen bits a pair keep false alarms at six per cent; more than 16 MiB no longer fits a cache.
        bits = min(max(int(np.ceil(np.log2(16 * max(len(self._indices), 1)))), 10), 27)
        self._shift = np.uint64(64 - bits)
        self._words = np.zeros(2 ** (bits - 6), np.uint64)
        if kind != "approximate":
            kernels.fill_filter(self._indptr, self._indices, self._shift, self._words)

    def draw(self, users: npt.NDArray[np.int64], k: int, seed: np.uint64) -> npt.NDArray[np.int64]:
        """Negatives of some users.

        Parameters
        ----------
        users : ndarray of int64, shape (n,)
            None of them saturated.
        k : int
        seed : numpy.uint64
            Equal seeds give equal draws, whatever the number of threads.

        Returns
        -------
        ndarray of int64, shape (n, k)
        """
        from graphrec.sampling import kernels

        out = np.empty((len(users), k), np.int64)
        fixed = (users, k, seed, self.train.n_items, self._indptr, self._indices, self._shift, self._words)
        tables = (self._threshold, self._alias, out)
        if out.size < _WORTH_A_THREAD:
            kernels.draw_negatives(0, len(users), *fixed, *tables)
        else:
            bounds = even_bounds(len(users), 4 * thread_count())
            run_ranges(lambda lo, hi: kernels.draw_negatives(lo, hi, *fixed, *tables), bounds)
        return out

    def draw_shared(self, m: int, generator: torch.Generator) -> Tensor:
        """Items for a whole batch, shape (m,): with the sampler's probabilities, and nothing is rejected."""
        if self.kind != "popularity":
            return torch.randint(self.train.n_items, (m,), generator=generator)
        position = torch.randint(self.train.n_items, (m,), generator=generator)
        coin = torch.randint(2**32, (m,), generator=generator)
        threshold, alias = torch.from_numpy(self._threshold), torch.from_numpy(self._alias)
        return torch.where(coin < threshold[position], position, alias[position])


def _alias_table(probability: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Walker's alias table: an item is kept with threshold / 2^32, else its alias is taken."""
    n = len(probability)
    share = probability * n
    alias = np.arange(n)
    small, large = list(np.flatnonzero(share < 1)), list(np.flatnonzero(share >= 1))
    while small and large:
        below, above = small.pop(), large[-1]
        alias[below] = above
        share[above] -= 1 - share[below]
        if share[above] < 1:
            small.append(large.pop())
    for rest in (*small, *large):  # what is left is 1 but for rounding
        share[rest] = 1.0
    return np.minimum(share * 2**32, 2**32).astype(np.int64), alias


def check_saturated(train: Interactions, policy: str) -> npt.NDArray[np.int64]:
    """The saturated users, or an error about them, as `policy` ("error" or "skip") has it."""
    full = saturated_users(train)
    if len(full) and policy == "error":
        raise InputError(
            f"{len(full):,} users have met every item, first user {train.user_ids[full[0]]!s}: there is no negative for them. "
            "saturated='skip' leaves their pairs out of training."
        )
    return full
