"""What a ranking is asked for: whose best items, out of which, and the lists and ranks that it fills."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.deferred import sparse
from graphrec.models.scoring import Scoring, Sums

__all__ = ["FloatArray", "IndexArray", "IntArray", "Known", "Lists", "New", "Ranks", "Wanted"]

IntArray = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Lists = tuple[IntArray, FloatArray]
"""Items (n, k) and their scores (n, k)."""


class Wanted:
    """The best k items of some people, while they are being found.

    Attributes
    ----------
    people : Known or New
    rows : ndarray of int64, shape (n,)
        Their rows in `left_out`, the compressed rows of what is not ranked.
    items : ndarray of int64 or None
        What to choose from, ascending; None for all.
    best, scores, bad : ndarray of int32 (n, k), float32 (n, k) and uint8 (n,)
        `bad` says whether a score was no finite number.
    """

    def __init__(
        self,
        people: Known | New,
        rows: IndexArray,
        left_out: tuple[IndexArray, IntArray],
        k: int,
        items: npt.NDArray[np.integer] | None,
    ) -> None:
        self.people, self.rows, self.left_out, self.k = people, rows, left_out, k
        self.items = None if items is None else np.asarray(items, np.int64)
        self.best, self.scores = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, np.float32)
        self.bad = np.zeros(len(rows), np.uint8)


@dataclass(frozen=True)
class Ranks:
    """Where each test item of each user stands in the user's whole ranking.

    Attributes
    ----------
    above, ties, ties_before : ndarray of int64, shape (nnz,)
        In the order of ``test.structure``: ranked items with a higher score, with an equal score, and with
        an equal score at a lower index. The rank is ``above + ties_before + 1``.
    """

    above: IndexArray
    ties: IndexArray
    ties_before: IndexArray


class Known:
    """Users of the training data, by index."""

    def __init__(self, scoring: Scoring, index: IndexArray) -> None:
        self._scoring, self._index = scoring, index

    def rows(self, lo: int, hi: int) -> Tensor:
        """What is known of the people lo:hi, as :meth:`Scoring.users`."""
        index = torch.as_tensor(self._index[lo:hi], device=self._scoring.device)
        return self._scoring.users(index)

    def sums(self) -> tuple[Sums, IndexArray] | None:
        """Their scores as sums of rows of a sparse matrix, and their rows in it, if the model's scores are such sums."""
        made = _sums(self._scoring, None)
        return None if made is None else (made, self._index)

    def part(self, lo: int, hi: int) -> Known:
        """The people lo:hi alone."""
        return Known(self._scoring, self._index[lo:hi])

    def of(self, scoring: Scoring) -> Known:
        """The same people, asked of another model."""
        return Known(scoring, self._index)

    def mark(self) -> int:
        """A number that tells these people from others."""
        return zlib.crc32(self._index.tobytes())

    def name(self, place: int, user_ids: npt.NDArray[np.generic]) -> str:
        """Who stands at a place, for a message."""
        return f"user {user_ids[self._index[place]]!s}"


class New:
    """People who were not there in training, by their histories."""

    def __init__(self, scoring: Scoring, histories: sparse.csr_matrix) -> None:
        self._scoring, self._histories = scoring, histories

    def rows(self, lo: int, hi: int) -> Tensor:
        """What is known of the people lo:hi, as :meth:`Scoring.people`."""
        return self._scoring.people(self._histories[lo:hi])

    def sums(self) -> tuple[Sums, IndexArray] | None:
        """As :meth:`Known.sums`."""
        made = _sums(self._scoring, self._histories)
        return None if made is None else (made, np.arange(self._histories.shape[0]))

    def part(self, lo: int, hi: int) -> New:
        """The people lo:hi alone."""
        return New(self._scoring, self._histories[lo:hi])

    def of(self, scoring: Scoring) -> New:
        """The same people, asked of another model."""
        return New(scoring, self._histories)

    def mark(self) -> int:
        """A number that tells these people from others."""
        return zlib.crc32(self._histories.indices.tobytes(), zlib.crc32(self._histories.indptr.tobytes()))

    def name(self, place: int, user_ids: npt.NDArray[np.generic]) -> str:
        """Who stands at a place, for a message."""
        return f"person {place}"


def _sums(scoring: Scoring, histories: sparse.csr_matrix | None) -> Sums | None:
    made = getattr(scoring, "sums", None)  # a scoring of one's own need not have it
    found: Sums | None = None if made is None else made(histories)
    return found
