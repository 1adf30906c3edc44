"""Items that a user has not met, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.sampling.popularity import ItemPopularity
from graphrec.sampling.seeds import draw_seed
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["KINDS", "READS", "NegativeSampler", "SeenItems", "draw_negatives", "draw_seed"]

KINDS = ("uniform", "hardest", "popularity", "approximate")
_DRAWN = frozenset({"n_negatives", "shared_negatives"})
# What each kind reads of the options of training; "own" stands for a sampler of the caller's own.
READS: dict[str, frozenset[str]] = {
    **dict.fromkeys(KINDS, _DRAWN),
    "popularity": _DRAWN | {"popularity_power"},
    "in-batch": frozenset(),
    "own": frozenset({"n_negatives"}),
}
IntArray = npt.NDArray[np.integer[Any]]
_WORTH_A_THREAD = 100_000


class SeenItems:
    """The items that each user has met, with a filter before them that clears most others at one look.

    The filter is a bit array of 16 to 32 bits a pair (2 MiB for Gowalla), in which a pair sets two bits of one
    word. A draw whose bits are not both set is certainly unseen; the few others are looked up in the user's
    sorted items. Beyond 32 MiB, which caches no longer hold, it has fewer bits a pair.

    Parameters
    ----------
    train : Interactions
    """

    def __init__(self, train: Interactions) -> None:
        from graphrec.sampling import kernels

        self.train = train
        self.indptr, self.indices = train.structure
        bits = min(max(int(np.ceil(np.log2(16 * max(len(self.indices), 1)))), 10), 28)
        self.shift = np.uint64(64 - (bits - 6))
        self.words = np.zeros(2 ** (bits - 6), np.uint64)
        kernels.fill_filter(self.indptr, self.indices, self.shift, self.words)
        self._draw_unseen = kernels.draw_unseen
        self._draw_unseen_weighted = kernels.draw_unseen_weighted

    def draw(
        self,
        users: IntArray,
        k: int,
        seed: int | np.uint64,
        *,
        first: int = 0,
        popularity: ItemPopularity | None = None,
        out: IntArray | None = None,
    ) -> IntArray:
        """See :func:`draw_negatives`; with `popularity`, items come in proportion to its weights."""
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}.")
        users, out = np.ascontiguousarray(users), _checked_out(out, (len(users), k))
        fixed = (users, k, np.uint64(seed), self.train.n_items, self.indptr, self.indices, self.shift, self.words)
        kernel = self._draw_unseen if popularity is None else self._draw_unseen_weighted
        weights = () if popularity is None else (popularity.buckets, popularity.cumulative)
        failed: list[int] = []

        def work(lo: int, hi: int) -> None:
            row = kernel(lo, hi, first, *fixed, *weights, out)
            if row >= 0:
                failed.append(row)

        _in_parts(work, len(users), k)
        if failed:
            raise self._explain(users, failed[0])
        return out

    def _explain(self, users: IntArray, row: int) -> InputError:
        """Why a draw could not be made: a kernel stopped at, or in the block after, this row."""
        outside = (users < 0) | (users >= self.train.n_users)
        if outside.any():
            return InputError(
                f"users has the index {users[outside.argmax()]} at row {int(outside.argmax())}; "
                f"there are {self.train.n_users:,} users, counted from zero."
            )
        return InputError(f"user {self.train.user_ids[users[row]]!s} has met every item: there is no negative to draw.")


def draw_negatives(
    seen: SeenItems, users: IntArray, k: int, seed: int | np.uint64, *, first: int = 0, out: IntArray | None = None
) -> IntArray:
    """Items that users have not met: exact, uniform, independent.

    Parameters
    ----------
    seen : SeenItems
        Made once for a training table.
    users : ndarray of int64 or int32, shape (n,)
    k : int
        Negatives of each user, drawn with replacement.
    seed : int
        Below 2^64. Equal seeds give equal draws, whatever the number of threads.
    first : int
        Row of a longer sequence that these rows start at: drawing a sequence in parts, each with its `first`,
        gives what drawing it at once gives.
    out : ndarray of int64 or int32, shape (n, k), contiguous, optional
        Where to put the result; a new array of int64 unless given.

    Returns
    -------
    ndarray, shape (n, k)

    Raises
    ------
    InputError
        A user is out of range or has met every item, or `out` has another shape.
    """
    return seen.draw(users, k, seed, first=first, out=out)


class NegativeSampler:
    """Draws negatives of one kind.

    Parameters
    ----------
    train : Interactions
    kind : {"uniform", "hardest", "popularity", "approximate"}
        ``"uniform"`` draws among the items that the user has not met in `train`, exactly; so does ``"hardest"``,
        of whose candidates the objective keeps the one scored highest. ``"popularity"`` draws among them in
        proportion to degree ** `power`; when all that a user has not met has degree zero, uniformly.
        ``"approximate"`` draws uniformly among all items, met or not.
    power : float
        Exponent of the degree.
    """

    def __init__(self, train: Interactions, kind: str = "uniform", power: float = 1.0) -> None:
        if kind not in KINDS:
            raise unknown_name("kind of negatives", kind, [*KINDS, "in-batch"])
        self.train = train
        self.rejects = kind != "approximate"
        self._popularity = ItemPopularity(train, power) if kind == "popularity" else None

    @cached_property
    def log_q(self) -> Tensor:
        """Log-probability of each item before rejection, float32, shape (n_items,); -inf where never drawn."""
        if self._popularity is None:
            return torch.full((self.train.n_items,), -float(np.log(self.train.n_items)), dtype=torch.float32)
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.log(self._popularity.probability).astype(np.float32))

    @cached_property
    def _seen(self) -> SeenItems:
        return SeenItems(self.train)

    @cached_property
    def _draw_items(self) -> Callable[..., None]:
        from graphrec.sampling import kernels

        draw: Callable[..., None] = kernels.draw_items
        return draw

    def draw(self, users: IntArray, k: int, seed: int | np.uint64, *, first: int = 0, out: IntArray | None = None) -> IntArray:
        """Negatives of some users; arguments, result and errors as in :func:`draw_negatives`."""
        if self.rejects:
            return self._seen.draw(users, k, seed, first=first, popularity=self._popularity, out=out)
        out = _checked_out(out, (len(users), k))
        self.draw_any(out.size, seed, first=first * k, out=out.reshape(-1))
        return out

    def draw_shared(self, m: int, generator: torch.Generator) -> Tensor:
        """Items for everybody, int64, shape (m,): with the probabilities of :attr:`log_q`, and nothing is rejected."""
        return torch.from_numpy(self.draw_any(m, draw_seed(generator)))

    def draw_any(self, m: int, seed: int | np.uint64, *, first: int = 0, out: IntArray | None = None) -> IntArray:
        """As :meth:`draw_shared`, of a seed and from entry `first` of its sequence on; an array."""
        out = _checked_out(out, (m,))
        buckets = np.zeros(0, np.uint64) if self._popularity is None else self._popularity.buckets
        fixed = (first, np.uint64(seed), self.train.n_items, buckets, out)
        _in_parts(lambda lo, hi: self._draw_items(lo, hi, *fixed), m, 1)
        return out


def _checked_out(out: IntArray | None, shape: tuple[int, ...]) -> IntArray:
    if out is None:
        return np.empty(shape, np.int64)
    if out.shape != shape or out.dtype not in (np.int64, np.int32) or not out.flags.c_contiguous:
        raise InputError(f"out must be a contiguous array of int64 or int32 of shape {shape}, got {out.dtype} {out.shape}.")
    return out


def _in_parts(work: Callable[[int, int], object], n: int, k: int) -> None:
    """Run over n rows of k draws: on several threads when that is worth starting them."""
    if n * k < _WORTH_A_THREAD:
        work(0, n)
    else:
        run_ranges(work, even_bounds(n, 4 * thread_count()))
