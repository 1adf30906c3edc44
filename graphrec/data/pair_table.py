"""Who met what, as arrays: the columns of a table, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from graphrec.data.ids import IntArray, digest, find, id_lookup, look_up, one_dimension, same_ids
from graphrec.data.pairs import both_directions, compressed_rows, contains, distinct
from graphrec.deferred import pandas as pd
from graphrec.deferred import sparse
from graphrec.errors import InputError

__all__ = ["PairTable"]


@dataclass(frozen=True, eq=False, repr=False)
class PairTable:
    """The half of :class:`~graphrec.data.interactions.Interactions`, which tells the columns, that says what they hold."""

    users: IntArray
    items: IntArray
    user_ids: npt.NDArray[Any]
    item_ids: npt.NDArray[Any]
    ratings: npt.NDArray[np.float32] | None = None
    times: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for array in (self.users, self.items, self.user_ids, self.item_ids, self.ratings, self.times, self.weights):
            if array is not None:
                array.flags.writeable = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: nothing in it changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what is derived from them is made again where it is needed."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # arrays that were copied or unpickled can be written to

    # ---- sizes --------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.users)

    @property
    def n_users(self) -> int:
        """Number of users in the id space, with or without a row."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items in the id space, with or without a row."""
        return len(self.item_ids)

    # ---- pairs --------------------------------------------------------------------------------

    @cached_property
    def keys(self) -> npt.NDArray[np.int64]:
        """One integer per row, ``user * n_items + item``, shape (n,): equal keys are equal pairs."""
        return self.users.astype(np.int64) * self.n_items + self.items

    @cached_property
    def distinct_keys(self) -> npt.NDArray[np.int64]:
        """The distinct values of :attr:`keys`, ascending."""
        return distinct(self.keys)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell whether two tables hold the same pairs in the same id space.

        BLAKE2b over the distinct pairs, the shape, and the ids with their type. The order of the rows, how often
        a pair is repeated, ratings, times and weights make no difference.
        """
        return digest(np.array([self.n_users, self.n_items]), self.distinct_keys, self.user_ids, self.item_ids)

    @cached_property
    def structure(self) -> tuple[npt.NDArray[np.int64], IntArray]:
        """The distinct pairs as compressed rows: ``indptr`` (n_users + 1,) and sorted item ``indices``."""
        return compressed_rows(self.distinct_keys, self.n_users, self.n_items)

    def node_structure(self) -> tuple[npt.NDArray[np.int64], IntArray]:
        """The distinct pairs in both directions, as compressed rows of one set of nodes: users first, then items.

        Node ``u`` is user ``u``, node ``n_users + i`` is item ``i``. It is made anew each time, but for a mapped table.
        """
        return both_directions(*self.structure, self.n_users, self.n_items)

    def has_keys(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some :attr:`keys`, of any shape, are pairs of this table."""
        return contains(self.distinct_keys, keys)

    @cached_property
    def pair_weights(self) -> npt.NDArray[np.float32] | None:
        """What each distinct pair counts, in the order of :attr:`structure` and with mean 1; None where all count alike.

        The weights of a repeated pair add up.
        """
        return None if self.weights is None else _relative(self._summed_weights())

    @cached_property
    def row_weights(self) -> npt.NDArray[np.float32] | None:
        """What each row counts, shape (n,), with mean 1; None where all count alike."""
        return None if self.weights is None else _relative(self.weights.astype(np.float64))

    def _summed_weights(self) -> npt.NDArray[np.float64]:
        places = np.searchsorted(self.distinct_keys, self.keys)
        return np.bincount(places, self.weights, minlength=len(self.distinct_keys)).astype(np.float64)

    # ---- in other forms -----------------------------------------------------------------------

    def to_csr(self, values: Literal["auto", "ones", "ratings", "weights", "relative"] = "auto") -> sparse.csr_matrix:
        """The users × items matrix.

        Parameters
        ----------
        values : {"auto", "ones", "ratings", "weights", "relative"}
            What the stored entries hold; ``"auto"`` is the ratings where there are any, else ones. ``"relative"`` is
            the weights divided by their mean over the distinct pairs, and ones where there are none or all are equal.
            Repeated pairs are stored once: as one, with the rating of their last row, or with the sum of their weights.

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n_users, n_items)

        Examples
        --------
        >>> gr.Interactions.from_indices([0, 0, 1], [0, 2, 1]).to_csr().toarray()
        array([[1., 0., 1.],
               [0., 1., 0.]], dtype=float32)
        """
        indptr, indices = self.structure
        shape = (self.n_users, self.n_items)
        if values == "weights" or (values == "relative" and self.pair_weights is not None):
            if self.weights is None:
                raise InputError("to_csr(values='weights') needs weights, and this table has none.")
            entries = self._summed_weights().astype(np.float32) if values == "weights" else self.pair_weights
            return sparse.csr_matrix((np.array(entries), indices.copy(), indptr.copy()), shape=shape)
        if values in ("ones", "relative") or (values == "auto" and self.ratings is None):
            return sparse.csr_matrix((np.ones(len(indices), np.float32), indices.copy(), indptr.copy()), shape=shape)
        if self.ratings is None:
            raise InputError("to_csr(values='ratings') needs ratings, and this table has none.")
        data = np.empty(len(indices), np.float32)
        data[np.searchsorted(self.distinct_keys, self.keys)] = self.ratings
        return sparse.csr_matrix((data, indices.copy(), indptr.copy()), shape=shape)

    def to_frame(self) -> pd.DataFrame:
        """The table in the caller's ids: user_id, item_id and, where present, rating, time and weight."""
        frame = pd.DataFrame({"user_id": self.user_ids[self.users], "item_id": self.item_ids[self.items]})
        if self.ratings is not None:
            frame["rating"] = self.ratings
        if self.times is not None:
            frame["time"] = self.times
        if self.weights is not None:
            frame["weight"] = self.weights
        return frame

    # ---- ids ----------------------------------------------------------------------------------

    @cached_property
    def _user_lookup(self) -> pd.Index[Any]:
        return id_lookup(self.user_ids)

    @cached_property
    def _item_lookup(self) -> pd.Index[Any]:
        return id_lookup(self.item_ids)

    def user_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's user ids; one may stand alone.

        Ids are found by their type as well: neither ``"1"`` nor 1.0 nor ``True`` is the id 1.

        Raises
        ------
        InputError
            An id is unknown or can be none.
        """
        return look_up(self._user_lookup, ids, "user")

    def find_users(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> tuple[IntArray, npt.NDArray[Any]]:
        """As :meth:`user_index`, with -1 for an unknown id instead of an error; and the ids themselves, shape (n,) both."""
        index = find(self._user_lookup, ids, "user").astype(np.int32)
        if (index >= 0).all():
            return index, self.user_ids[index]
        asked = one_dimension(ids, "user")
        fits = self.user_ids.dtype.kind != "i" or all(-(2**63) <= number < 2**63 for number in asked.tolist())
        return index, asked.astype(self.user_ids.dtype if fits else object)

    def item_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's item ids, as :meth:`user_index`."""
        return look_up(self._item_lookup, ids, "item")

    def shares_ids_with(self, other: PairTable) -> bool:
        """Whether an index means the same user and the same item in both tables."""
        return same_ids(self.user_ids, other.user_ids) and same_ids(self.item_ids, other.item_ids)


def _relative(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """Weights divided by their mean; None where all are equal, which says as much as none."""
    if not len(weights):
        return None
    if not weights.any():
        raise InputError("all weights of the table are 0: nothing counts.")
    return None if weights.min() == weights.max() else (weights / weights.mean()).astype(np.float32)
