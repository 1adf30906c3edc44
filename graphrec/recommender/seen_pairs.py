"""Pairs that people are known to have met and that nothing is learnt from: what they disliked, or did not rate."""

from __future__ import annotations

from dataclasses import replace

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, about
from graphrec.recommender.tables import in_ids_of
from graphrec.recommender.updating import extended

__all__ = ["seen_pairs", "seen_together"]


def seen_pairs(train: Interactions, seen: object, *earlier: Interactions | None) -> Interactions | None:
    """What a fitted recommender shall not recommend beside what it is trained on, in an id space of its own.

    People and items that are unknown now stay in it: they may come with an update.

    Parameters
    ----------
    train : Interactions
        Whose ids are of the same type.
    seen : Interactions or None
        As somebody gave it.
    *earlier : Interactions or None
        What was seen before.

    Raises
    ------
    InputError
        `seen` is no table, or has ids of another type.
    """
    if seen is not None and not isinstance(seen, Interactions):
        raise InputError(f"seen must be Interactions, not {type(seen).__name__}; Interactions.from_frame reads a DataFrame.")
    if seen is not None:
        with about("seen"):
            in_ids_of(train, seen)  # says which ids are of another type
    return seen_together(*earlier, seen)


def seen_together(*tables: Interactions | None) -> Interactions | None:
    """The pairs of several tables, without what else they say; None of none.

    Where the others have nothing to add to the first, it is that table.
    """
    found: Interactions | None = None
    for table in tables:
        if table is None or not len(table) or table is found:
            continue
        if any(column is not None for column in (table.ratings, table.times, table.weights)):
            table = replace(table, ratings=None, times=None, weights=None)
        both = table if found is None else extended(found, table)[0]
        found = both if found is None or both.fingerprint != found.fingerprint else found
    return found
