"""What a run answers, as plain data; made once for a run, and never changed afterwards."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphrec.data.near_ids import bare
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.recommender.explaining import own_items
from graphrec.recommender.loading import load
from graphrec.recommender.reasons import Reasons
from graphrec.recommender.recommender import Recommender
from graphrec.report.names import Names, names_of, typed_id

__all__ = ["MAX_EXCLUDED", "MAX_HISTORY", "MAX_K", "Answers", "load_answers"]

MAX_K, MAX_HISTORY, MAX_EXCLUDED, MAX_REASONS = 1000, 1000, 1000, 10
_EXPLAINED = 20  # items of a list that get reasons: each is a question of its own
_LEFT_OUT = 50  # items of a history that are left out in turn
_QUICK = 0.003  # seconds: shorter than handing a question to another thread is worth


class Answers:
    """Questions to one run. Safe for many threads.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    names : Names
    version : str
        What tells this run from the next.

    Attributes
    ----------
    quick : bool
        Whether a list takes less time than handing the question to another thread.
    """

    def __init__(self, recommender: Recommender, names: Names, version: str = "") -> None:
        recommender = copy.copy(recommender)  # it answers as it is now, even if somebody fits it anew
        self.recommender, self.names, self.version = recommender, names, version
        self._train, self._ranker = recommender.train, recommender._fitted.listing
        self._reasons_of = Reasons(recommender._fitted)
        self._user_ids, self._item_ids = self._train.user_ids.tolist(), self._train.item_ids.tolist()
        self._cold = (np.diff(self._train.structure[0]) == 0) & bool(recommender.kind.personalised)
        self._bare_titles = [bare(title) for title in names.titles]
        self._bare_users = [bare(str(one)) for one in self._user_ids]
        self._rows = [
            {"item_id": one, "title": title, **({"image": image} if image else {})}
            for one, title, image in zip(self._item_ids, names.titles, names.images, strict=True)
        ]
        self.quick = self._seconds() < _QUICK

    def _seconds(self) -> float:
        """How long a list takes; the first ones compile what is compiled."""
        warm = np.flatnonzero(~self._cold)[:8]
        if not len(warm):
            return 0.0
        taken = []
        for row in [warm[0], *warm]:
            begun = time.perf_counter()
            self._ranker.top_k(np.array([row]), min(10, len(self._item_ids)))
            taken.append(time.perf_counter() - begun)
        return float(np.median(taken))

    # ---- questions ------------------------------------------------------------------------------

    def recommend(
        self, user: str, k: int, explain: int = 0, exclude: Sequence[Any] = (), cold: str = "error"
    ) -> dict[str, Any]:
        """The list of a person of the training data, with the strongest reasons where they are asked for.

        What the reasons leave of a score is its rest: weaker own items, those that lower it, and what is about no item.
        With `cold` "popular" somebody unknown gets what most people have.
        """
        k, left_out, known = self._length(k), self._items(exclude), self._user(user)
        stranger = cold == "popular" and int(self._train.find_users(known)[0][0]) < 0
        row = -1 if stranger else int(self._train.user_index(known)[0])
        if stranger or self._cold[row]:
            table = self.recommender.recommend([known], k=k, exclude=left_out or None, cold="popular")
            return {"user": known, "cold": True, "items": self._listed(table)}
        among = None
        if left_out:
            among = np.setdiff1d(np.arange(len(self._item_ids)), self._train.item_index(left_out))
        best, scores = self._ranker.top_k(np.array([row]), k, among)
        items = [
            {**self._rows[place], "score": score, "rank": rank}
            for rank, (place, score) in enumerate(zip(best[0].tolist(), scores[0].tolist(), strict=True), 1)
            if place >= 0
        ]
        for place, item in zip(best[0].tolist(), items[:_EXPLAINED] if explain else (), strict=False):
            try:
                item["why"] = self._why(row, place, explain)
                item["rest"] = item["score"] - sum(reason["contribution"] for reason in item["why"])
            except InputError as error:
                return {"user": known, "items": items, "note": str(error)}
        return {"user": known, "items": items, **_notes(items, explain)}

    def recommend_new(self, history: Sequence[Any], k: int, explain: int = 0, exclude: Sequence[Any] = ()) -> dict[str, Any]:
        """The list of a person who likes some items; reasons say how much a score falls without one of them."""
        met, left_out = self._items(history), self._items(exclude)
        items = self._listed(self.recommender.recommend_new([met], k=self._length(k), exclude=left_out or None))
        if explain and len(met) > 1 and items:
            self._leave_out(met, items[:_EXPLAINED], explain)
        return {"items": items, **_notes(items, explain, len(met))}

    def _why(self, user: int, item: int, explain: int) -> list[dict[str, Any]]:
        """The own items that raise a score most, with what they bring over all their paths."""
        items, brought = own_items(self._reasons_of, user, item, explain)
        return [{**self._rows[one], "contribution": value} for one, value in zip(items.tolist(), brought.tolist(), strict=True)]

    def _leave_out(self, met: list[Any], items: list[dict[str, Any]], explain: int) -> None:
        some, asked = met[:_LEFT_OUT], [item["item_id"] for item in items]
        without = self.recommender.recommend_new(
            [[other for other in met if other != one] for one in some], k=len(asked), candidates=asked
        )
        people = without["user_id"].to_numpy()
        place = {person: number for number, person in enumerate(dict.fromkeys(people.tolist()))}
        left = {
            (place[person], item): score
            for person, item, score in zip(people.tolist(), without["item_id"].tolist(), without["score"].tolist(), strict=True)
        }
        for item in items:
            fall = [(item["score"] - left.get((n, item["item_id"]), item["score"]), one) for n, one in enumerate(some)]
            fall.sort(key=lambda pair: -pair[0])
            item["why"] = [
                {**self._row(one), "contribution": value, "kind": "fall of the score without it"}
                for value, one in fall[:explain]
                if value > 0
            ]

    def similar(self, item: str, k: int) -> dict[str, Any]:
        """The items most like one."""
        known = self._item(item)
        best, scores = self._ranker.similar(self._train.item_index(known), self._length(k))
        pairs = zip(best[0].tolist(), scores[0].tolist(), strict=True)
        return {
            "item": known,
            "items": [{**self._rows[at], "score": s, "rank": rank} for rank, (at, s) in enumerate(pairs, 1) if at >= 0],
        }

    def explain(self, user: str, item: str) -> dict[str, Any]:
        """What the score of a pair is made of, the strongest part first."""
        person, thing = self._user(user), self._item(item)
        return {"user": person, "item": thing, "reasons": self._reasons(self.recommender.explain(person, thing))}

    # ---- what the page shows --------------------------------------------------------------------

    def users(self, search: str, limit: int) -> dict[str, Any]:
        """Ids of people, those that contain a text, whatever its case and accents."""
        text = bare(search)
        found: list[Any] = []
        for one, told in zip(self._user_ids, self._bare_users, strict=True):
            if text in told:
                found.append(one)
                if len(found) == limit:
                    break
        return {"users": found}

    def items(self, search: str, limit: int) -> dict[str, Any]:
        """Items whose title contains a text, whatever its case and accents."""
        text, found = bare(search), []
        for row, title in zip(self._rows, self._bare_titles, strict=True):
            if text in title:
                found.append(row)
                if len(found) == limit:
                    break
        return {"items": found}

    def history(self, user: str, limit: int) -> dict[str, Any]:
        """What a person has in training."""
        known = self._user(user)
        row, (indptr, columns) = int(self._train.user_index(known)[0]), self._train.structure
        mine = columns[indptr[row] : indptr[row + 1]]
        return {"user": known, "n": len(mine), "items": [self._rows[place] for place in mine[:limit].tolist()]}

    def health(self) -> dict[str, Any]:
        """That there is a model, and which."""
        return {
            "status": "ok",
            "model": self.recommender.name,
            "run": self.version,
            "users": len(self._user_ids),
            "items": len(self._item_ids),
        }

    # ---- ids and rows ---------------------------------------------------------------------------

    def _user(self, text: str) -> Any:
        return typed_id(text, self._train.user_ids, "user")

    def _item(self, text: str) -> Any:
        return typed_id(text, self._train.item_ids, "item")

    def _items(self, given: Sequence[Any]) -> list[Any]:
        return list(dict.fromkeys(self._item(one) if isinstance(one, str) else one for one in given))

    def _length(self, k: int) -> int:
        if not 1 <= k <= len(self._item_ids):
            raise InputError(f"k must be from 1 to {min(MAX_K, len(self._item_ids))}, got {k}.")
        return k

    def _row(self, one: Any) -> Mapping[str, Any]:
        return self._rows[int(self._train.item_index(one)[0])]

    def _listed(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        columns = (table[name].tolist() for name in ("item_id", "score", "rank"))
        return [{**self._row(one), "score": score, "rank": rank} for one, score, rank in zip(*columns, strict=True)]

    def _reasons(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        """Rows of an explanation as plain data, by the size of the contribution; entries that are missing are left out."""
        order = np.argsort(-table["contribution"].abs().to_numpy(), kind="stable")
        reasons = []
        for record in table.iloc[order].to_dict("records"):
            told = {str(name): _plain(value) for name, value in record.items()}
            told = {name: value for name, value in told.items() if value is not None}
            reasons.append({**self._row(told["item_id"]), **told} if "item_id" in told else told)
        return reasons


def _notes(items: Sequence[Any], explain: int, met: int = 0) -> dict[str, str]:
    """Which reasons were asked for and are not given."""
    told = []
    if explain and len(items) > _EXPLAINED:
        told.append(f"reasons are given for the first {_EXPLAINED} items")
    if explain and met > _LEFT_OUT:
        told.append(f"reasons look at the first {_LEFT_OUT} of {met} items of the history")
    return {"note": f"{'; '.join(told)}."} if told else {}


def _plain(value: Any) -> Any:
    """A cell as JSON has it; None for one that is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value if isinstance(value, str | int | float) else str(value)


def load_answers(run: Path, version: str, items: pd.DataFrame | None, title: str | None, image: str | None) -> Answers:
    """Read a run and make it ready: the first question costs what every other does."""
    recommender = load(run)
    return Answers(recommender, names_of(recommender, items, title, image), version)
