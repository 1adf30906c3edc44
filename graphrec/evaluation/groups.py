"""Figures by groups of people and of things: who is served worse, and what is shown to nobody."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name

__all__ = ["NOT_NAMED", "Given", "by_item_group", "by_user_group", "group_items", "group_users"]

Given: TypeAlias = "Mapping[Any, Any] | pd.Series[Any] | str"
Groups: TypeAlias = "pd.Categorical[Any]"
Places = npt.NDArray[np.integer]
Hits = npt.NDArray[np.bool_]

NOT_NAMED = "(not named)"
"""The group of those whom a mapping or a file does not name."""
_HISTORY = ("short history", "middle history", "long history")


def group_users(given: Given, train: Interactions, users: Places) -> Groups:
    """The group of each of some users.

    Parameters
    ----------
    given : mapping of ids to names, Series of names by id, or "history"
        ``"history"`` makes thirds of these users by how many items they have in training. Those with equally many are in one
        group, that of their middle, so that thirds may differ in size, and one may be missing. The name of a third says how
        many items its people have.
    train : Interactions
    users : ndarray of int, shape (n,)
        Indices.

    Returns
    -------
    Categorical of n values
        Categories in their order of printing; as given, those of a mapping stand in the order of their first user, and last
        the group of those whom it does not name, whose number a warning says.

    Raises
    ------
    InputError
        No user has a group, or the text is another.
    """
    if not isinstance(given, str):
        return _named(given, train.user_ids[users], "user")
    if given != "history":
        raise unknown_name("value of user_groups", given, ("history",))
    lengths = np.diff(train.structure[0])[users]
    _, place, count = np.unique(lengths, return_inverse=True, return_counts=True)
    twice_middle = 2 * np.cumsum(count) - count  # of the places of equally many, from 0 to 2n
    third = (twice_middle * len(_HISTORY) // max(2 * len(users), 1))[place]
    names = {
        number: f"{name} ({lengths[third == number].min()} to {lengths[third == number].max()} items)"
        for number, name in enumerate(_HISTORY)
        if (third == number).any()
    }
    return pd.Categorical([names[number] for number in third.tolist()], list(names.values()))


def group_items(given: Given, train: Interactions) -> Groups:
    """The group of each item of the catalogue.

    Parameters
    ----------
    given : mapping of ids to names, Series of names by id, or "popularity"
        ``"popularity"``: *head* is the most popular items that have the first 20 % of all interactions, *tail* the least
        popular that have the last 20 %, *mid* the others (Abdollahpouri et al., UMAP 2021). Of equally popular items the
        lower index counts as the more popular.
    train : Interactions

    Returns
    -------
    Categorical of n_items values
        Last the group of items that a mapping does not name.

    Raises
    ------
    InputError
        No item has a group, or the text is another.
    """
    if not isinstance(given, str):
        return _named(given, train.item_ids, "item")
    if given != "popularity":
        raise unknown_name("value of item_groups", given, ("popularity",))
    popularity = np.bincount(train.structure[1], minlength=train.n_items)
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]  # interactions with more popular items
    total = popularity.sum()
    names = np.empty(train.n_items, object)
    names[order] = np.where(5 * before < total, "head", np.where(5 * before >= 4 * total, "tail", "mid"))
    return pd.Categorical(names, ["head", "mid", "tail"]).remove_unused_categories()


def _named(given: Mapping[Any, Any] | pd.Series[Any], ids: npt.NDArray[Any], what: str) -> Groups:
    if not isinstance(given, Mapping | pd.Series):
        raise InputError(f"{what}_groups must be a mapping of {what} ids to names or a text, got {type(given).__name__}.")
    if isinstance(given, pd.Series) and given.index.has_duplicates:
        again = given.index[given.index.duplicated()][0]
        raise InputError(f"{what}_groups names {what} {again!s} more than once.")
    names = [given.get(one) for one in ids.tolist()]
    without = [place for place, name in enumerate(names) if name is None or name != name]
    for place, name in enumerate(names):
        if name == NOT_NAMED or type(name).__hash__ is None:
            what_is_wrong = f"{NOT_NAMED!r}, as those are called whom it does not name" if name == NOT_NAMED else repr(name)
            raise InputError(f"{what}_groups has the name {what_is_wrong}, for {what} {ids[place]!s}; give it another.")
    if without:
        told = f"{what}_groups has no group for {len(without):,} of {len(ids):,} {what}s, first {what} {ids[without[0]]!s}"
        if len(without) == len(ids):
            raise InputError(f"{told}; is it about these, and are the ids written alike?")
        warnings.warn(f"{told}: they are in a group of their own, {NOT_NAMED!r}.", stacklevel=5)
        for place in without:
            names[place] = NOT_NAMED
    _tell_apart(names, what)
    known = [name for name in dict.fromkeys(names) if name != NOT_NAMED]
    return pd.Categorical(names, known if len(known) == len(set(names)) else [*known, NOT_NAMED])


def _tell_apart(names: Sequence[Any], what: str) -> None:
    """Refuse two names that are told as one: 1 and "1", or 1 and True."""
    told: dict[str, Any] = {}
    for name in {(type(one), one): one for one in names}.values():
        plain = name.item() if isinstance(name, np.generic) else name
        alike = told.setdefault(str(plain), plain)
        same = next((other for other in told.values() if other == plain and type(other) is not type(plain)), alike)
        if type(same) is not type(plain):
            raise InputError(f"{what}_groups has the names {same!r} and {plain!r}, which are told as one; make them all texts.")


def by_user_group(groups: Groups, per_user: pd.DataFrame) -> pd.DataFrame:
    """Means over the people of each group.

    Parameters
    ----------
    groups : Categorical of n values
    per_user : DataFrame of n rows
        As :attr:`graphrec.Report.per_user`.

    Returns
    -------
    DataFrame
        Index: the groups, named "users"; columns n and the metrics.
    """
    values = per_user.drop(columns="user_id")
    by_group = values.groupby(pd.Series(groups, index=values.index), observed=True)
    means = pd.DataFrame(by_group.mean())
    means.insert(0, "n", by_group.size())
    return means.rename_axis("users")


def by_item_group(
    groups: Groups, lists: npt.NDArray[np.int32], hits: Hits, ks: Sequence[int], test: Interactions
) -> pd.DataFrame:
    """What becomes of the items of each group.

    Parameters
    ----------
    groups : Categorical of n_items values
    lists : ndarray of int32, shape (n, depth)
        Items of each user with a test item, best first; −1 after the last.
    hits : ndarray of bool, shape (n, depth)
        Where they are test items of their user.
    ks : sequence of int
    test : Interactions

    Returns
    -------
    DataFrame
        Index: the groups, named "items"; columns n, its items; test_share, the share of the test pairs that are with one of
        them; and for each k exposure@k, the share of the places of all lists that they take, and recall@k, the mean over
        users with a test item of the group of the share of these that is in their list.
    """
    indptr, items = test.structure
    n_groups, codes = len(groups.categories), np.asarray(groups.codes, np.int64)
    people = np.flatnonzero(np.diff(indptr) > 0)
    owner = np.repeat(np.arange(len(people)), np.diff(indptr)[people])
    relevant = np.bincount(owner * n_groups + codes[items], minlength=len(people) * n_groups).reshape(-1, n_groups)
    columns: dict[str, Any] = {
        "n": np.bincount(codes, minlength=n_groups),
        "test_share": relevant.sum(0) / max(len(items), 1),
    }
    for k in ks:
        part, there = lists[:, :k], lists[:, :k] >= 0
        listed = np.bincount(codes[part[there]], minlength=n_groups)
        columns[f"exposure@{k}"] = listed / max(listed.sum(), 1)
        row, column = np.nonzero(hits[:, :k])
        found = np.bincount(row * n_groups + codes[part[row, column]], minlength=relevant.size).reshape(-1, n_groups)
        share = np.divide(found, relevant, out=np.zeros(relevant.shape), where=relevant > 0)
        asked = (relevant > 0).sum(0)
        columns[f"recall@{k}"] = np.divide(share.sum(0), asked, out=np.full(n_groups, np.nan), where=asked > 0)
    return pd.DataFrame(columns, index=pd.Index(groups.categories, name="items"))
