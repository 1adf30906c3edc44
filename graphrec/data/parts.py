"""Train, valid and test of one experiment, checked once against the mistakes that flatter a figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from graphrec.data.hetero import hetero_data
from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name
from graphrec.html_table import html_table

__all__ = ["Cold", "Overlap", "Split"]

Overlap = Literal["error", "keep", "drop"]
Cold = Literal["keep", "drop", "error"]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Split:
    """The parts of one experiment.

    An index means the same user and the same item in every part, no part is empty, and no pair of a later
    part is in an earlier one unless that was asked for. Later stages trust this.

    Parameters
    ----------
    train : Interactions
        What a model is fitted on.
    valid : Interactions, optional
        What epochs and hyper-parameters are chosen on.
    test : Interactions, optional
        What is reported, read once.
    overlap : {"error", "keep", "drop"}
        What to do with rows of valid whose pair is in train, and with rows of test whose pair is in train or
        valid. Items seen in training are masked when ranking, so such rows can never be hits; on event logs,
        where they are repeated visits, ``"drop"`` leaves them out of the later part, and ``"keep"`` leaves all as it is.
    cold : {"keep", "drop", "error"}
        What to do with rows of valid and test whose user or item has no row in train: ``"drop"`` leaves them
        out, ``"error"`` names the first of them.

    Raises
    ------
    InputError
        A part is empty or not an :class:`Interactions`, id spaces differ, or a policy says ``"error"`` and
        applies. The message names the part and the first user, item or id.

    Examples
    --------
    >>> train = gr.Interactions.from_indices([0, 0, 1], [0, 1, 1], n_items=3)
    >>> test = gr.Interactions.from_indices([0, 1], [2, 0], n_items=3)
    >>> gr.Split(train=train, test=test)
    Split(train 3, test 2 pairs of 2 users and 3 items)
    """

    train: Interactions
    valid: Interactions | None = None
    test: Interactions | None = None
    overlap: Overlap = "error"
    cold: Cold = "keep"

    def __post_init__(self) -> None:
        for option, value, known in (("overlap", self.overlap, get_args(Overlap)), ("cold", self.cold, get_args(Cold))):
            if value not in known:
                raise unknown_name(f"{option} policy", value, known)
        for name in ("train", *self._later()):
            _check_part(name, getattr(self, name), self.train)
        for apply in (self._apply_overlap, self._apply_cold):
            apply()
            for name in self._later():
                if not len(getattr(self, name)):
                    policy = apply.__name__.removeprefix("_apply_")
                    raise InputError(f"{policy}='drop' leaves no row of {name}: all of its pairs fall under that policy.")

    def _later(self) -> list[str]:
        return [name for name in ("valid", "test") if getattr(self, name) is not None]

    def _set(self, name: str, part: Interactions) -> None:
        object.__setattr__(self, name, part)  # only while the object is made

    def _apply_overlap(self) -> None:
        if self.overlap == "keep":
            return
        earlier = ["train"]
        for name in self._later():
            for other in earlier:
                part: Interactions = getattr(self, name)
                repeated = _rows_in(part, getattr(self, other))
                if repeated is None:
                    continue
                if self.overlap == "error":
                    raise InputError(_overlap_message(name, other, part, repeated))
                self._set(name, part.select(~repeated))
            earlier.append(name)

    def _apply_cold(self) -> None:
        if self.cold == "keep" or not self._later():
            return
        known_user = np.bincount(self.train.users, minlength=self.train.n_users) > 0
        known_item = np.bincount(self.train.items, minlength=self.train.n_items) > 0
        for name in self._later():
            part: Interactions = getattr(self, name)
            cold_user, cold_item = ~known_user[part.users], ~known_item[part.items]
            cold = cold_user | cold_item
            if not cold.any():
                continue
            if self.cold == "error":
                raise InputError(_cold_message(name, part, cold_user, cold_item))
            self._set(name, part.select(~cold))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(getattr(self, name)):,}" for name in ("train", *self._later()))
        return f"Split({sizes} pairs of {self.train.n_users:,} users and {self.train.n_items:,} items)"

    def _repr_html_(self) -> str:
        """What a notebook shows: pairs of each part, and how many users and items have one there."""
        parts = {name: getattr(self, name) for name in ("train", *self._later())}
        rows = {
            name: {"pairs": len(part), "users": len(np.unique(part.users)), "items": len(np.unique(part.items))}
            for name, part in parts.items()
        }
        return html_table(repr(self), pd.DataFrame(rows).T)

    @cached_property
    def train_and_valid(self) -> Interactions:
        """The rows of train, then those of valid: what is fitted at the end and masked when test is ranked.

        Raises
        ------
        InputError
            One of the two has ratings, times or weights and the other has not.
        """
        return self.train if self.valid is None else _join(self.train, self.valid)

    def to_hetero_data(self) -> Any:
        """The parts as one graph of PyTorch Geometric, whose messages know nothing of valid and test.

        Returns
        -------
        torch_geometric.data.HeteroData
            As :meth:`Interactions.to_hetero_data` gives it for train. Besides, the edge type ``("user", "rates", "item")`` has
            the pairs of all parts, train first, as ``edge_label_index`` (2, m) with ``edge_label`` (m,), their ratings or else
            ones, and ``train_mask``, ``val_mask`` and ``test_mask`` (m,), which say whose each is.
        """
        return hetero_data(self.train, {name: getattr(self, name) for name in ("train", *self._later())})

    def without_valid(self) -> Split:
        """The same test part with the rows of valid put back into train."""
        return self if self.valid is None else replace(self, train=self.train_and_valid, valid=None)


def _check_part(name: str, part: object, train: Interactions) -> None:
    if not isinstance(part, Interactions):
        raise InputError(f"{name} must be Interactions, not {type(part).__name__}; Interactions.from_frame reads a table.")
    if not len(part):
        raise InputError(f"{name} has no row.")
    if part.shares_ids_with(train):
        return
    for kind in ("user", "item"):
        mine: npt.NDArray[Any] = getattr(part, f"{kind}_ids")
        theirs: npt.NDArray[Any] = getattr(train, f"{kind}_ids")
        if len(mine) != len(theirs):
            what = f"{name} counts {len(mine):,} {kind}s and train {len(theirs):,}"
        elif (differ := np.flatnonzero(mine != theirs)).size:
            first = differ[0]
            what = f"{kind} {first} is {mine[first]!s} in {name} and {theirs[first]!s} in train"
        else:
            continue
        raise InputError(
            f"{name} and train do not share one id space: {what}. Read all rows as one table and split that, "
            "or give both the same n_users and n_items."
        )


def _rows_in(part: Interactions, other: Interactions) -> Mask | None:
    """Which rows of `part` have a pair of `other`, or None when none has."""
    # Sorting both sides first makes the search walk through memory; np.isin would merge-sort them instead.
    known, wanted = _ascending(other.keys), _ascending(part.keys)
    found = known[np.searchsorted(known, wanted).clip(max=len(known) - 1)] == wanted
    return np.isin(part.keys, wanted[found]) if found.any() else None


def _ascending(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return keys if bool((keys[1:] >= keys[:-1]).all()) else np.sort(keys)


def _overlap_message(name: str, other: str, part: Interactions, repeated: Mask) -> str:
    first = int(repeated.argmax())
    return (
        f"{int(repeated.sum()):,} of {len(part):,} rows of {name} have a pair that is also in {other}, first user "
        f"{part.user_ids[part.users[first]]!s} with item {part.item_ids[part.items[first]]!s}. If the table repeats pairs, "
        f"use drop_duplicates() before splitting, or overlap='drop' to leave them out of {name}, or overlap='keep'."
    )


def _cold_message(name: str, part: Interactions, cold_user: Mask, cold_item: Mask) -> str:
    found = []
    for kind, cold, index, ids in (
        ("user", cold_user, part.users, part.user_ids),
        ("item", cold_item, part.items, part.item_ids),
    ):
        if cold.any():
            count = len(np.unique(index[cold]))
            found.append(f"{count:,} {kind}{'s' if count > 1 else ''}, first {ids[index[cold.argmax()]]!s}")
    return f"{name} has {' and '.join(found)}, with nothing in train. Say cold='keep' or cold='drop'."


def _join(first: Interactions, second: Interactions) -> Interactions:
    joined: dict[str, Any] = {}
    for column in ("users", "items", "ratings", "times", "weights"):
        a, b = getattr(first, column), getattr(second, column)
        if (a is None) != (b is None):
            raise InputError(f"train and valid cannot be joined: only one of them has {column}.")
        joined[column] = None if a is None else np.concatenate([a, b])
    return replace(first, **joined)
