"""What a peer wrote, ranked and measured by graphrec's evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import graphrec as gr
from graphrec.evaluation.full_ranking import full_ranking
from graphrec.evaluation.metrics import at_k, parse
from graphrec.models import Scorer, Scoring, Table
from graphrec.models.scoring import DotProduct, TableScoring
from graphrec.ranking.ranker import Ranker

__all__ = ["METRICS", "Factors", "figures_of_factors", "figures_of_lists", "ranked"]

METRICS = ("recall@20", "recall_capped@20", "ndcg@20", "map@20")


class Factors(Scorer):
    """Tables that another library learnt; the score is the dot product of their rows.

    Parameters
    ----------
    train : Interactions
    users, items : ndarray, shapes (n_users, d) and (n_items, d)
    """

    def __init__(self, train: gr.Interactions, users: npt.NDArray[Any], items: npt.NDArray[Any]) -> None:
        super().__init__(train)
        if users.shape != (train.n_users, users.shape[1]) or items.shape != (train.n_items, users.shape[1]):
            raise ValueError(f"tables of {users.shape} and {items.shape} for {train!r}")
        self.users = torch.from_numpy(np.ascontiguousarray(users, np.float32))
        self.items = torch.from_numpy(np.ascontiguousarray(items, np.float32))

    def scoring(self) -> Scoring:
        """The tables themselves."""
        return TableScoring(DotProduct(), Table(self.users), self.items, self.likeness, self.fold_in)


def of_users(test: gr.Interactions, users: npt.NDArray[np.int64] | None) -> gr.Interactions:
    """The test pairs of some users; all of them for None."""
    return test if users is None else test.select(np.isin(test.users, users))


def figures_of_factors(
    split: gr.Split, users: npt.NDArray[Any], items: npt.NDArray[Any], only: npt.NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Mean metrics of a pair of tables over the test users, or over some of them."""
    assert split.test is not None
    model = Factors(split.train, users, items)
    return dict(full_ranking(Ranker(model, split.train), of_users(split.test, only), metrics=METRICS, warn_cold=False).mean)


def figures_of_lists(
    split: gr.Split, lists: npt.NDArray[np.int64], users: npt.NDArray[np.int64], metrics: Sequence[str] = METRICS
) -> dict[str, float]:
    """Mean metrics of recommendations.

    Parameters
    ----------
    split : Split
    lists : ndarray of int64, shape (n, k)
        Items, best first; -1 where a list is shorter.
    users : ndarray of int64, shape (n,)
        Whose lists they are, each with a test item.

    Raises
    ------
    ValueError
        A list holds a training pair or an item twice: its library ranked something else.
    """
    test = split.test
    assert test is not None
    keys = users[:, None] * test.n_items + lists
    real = lists >= 0
    if (split.train.has_keys(keys) & real).any():
        raise ValueError("the recommendations hold training pairs")
    ordered = np.sort(np.where(real, lists, -np.arange(1, lists.shape[1] + 1)), axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("a list of recommendations holds an item twice")
    hits = test.has_keys(keys) & real
    relevant = np.diff(test.structure[0])[users]
    return {name: float(at_k(parse(name), hits, relevant).mean()) for name in metrics}


def ranked(split: gr.Split, out: Path) -> dict[str, Any]:
    """Figures of what lies in a peer's folder.

    Returns
    -------
    dict
        ``figures`` over all test users (from the tables where there are some, else from the lists), ``users``
        (how many), ``from`` (tables or lists), and ``same_users`` over the users whose lists it wrote.
    """
    assert split.test is not None
    users, result = np.load(out / "users.npy"), {}
    if (out / "lists.npy").exists():
        same = figures_of_lists(split, np.load(out / "lists.npy"), users)
        result = {"figures": same, "same_users": same, "users": len(users), "from": "lists"}
    if (out / "user_factors.npy").exists():
        tables = np.load(out / "user_factors.npy"), np.load(out / "item_factors.npy")
        everyone = len(np.unique(split.test.users))
        result |= {"figures": figures_of_factors(split, *tables), "users": everyone, "from": "tables"}
        result.setdefault("same_users", figures_of_factors(split, *tables, only=users))
    return result
