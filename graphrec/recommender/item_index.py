"""The best items without scoring all of them: a search index over item vectors, for catalogues of millions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, check_flag
from graphrec.evaluation.full_ranking import check_k
from graphrec.models.scoring import Tables
from graphrec.recommender.search_graph import SearchGraph
from graphrec.recommender.tables import pack_tables, tables_of
from graphrec.tensor_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from graphrec.recommender.questions import Ids

__all__ = ["ItemIndex"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Lists = tuple[IntArray, FloatArray]

_KIND = "graphrec item index 1"
_TRIED = 200  # users that both graphs are tried on
_NUMBERS_AT_ONCE = 2**24  # gathered for exact scores


class ItemIndex:
    """Approximate nearest items by inner product, with what each user has seen left out. It knows no model and needs none.

    The search goes along a graph of the items (:class:`graphrec.recommender.search_graph.SearchGraph`).
    Items that a user has seen are left out by asking for as many more. Candidates are then scored exactly; where nearly half of
    the catalogue would be asked for, all items are scored instead of searched. Safe for many threads.

    Made by :meth:`graphrec.Recommender.to_ann`, or read by :func:`graphrec.ann.load`.

    Attributes
    ----------
    name : str
        Of the model.
    seen : Interactions
        Pairs that are left out; its ids are the recommender's.
    users, items : ndarray of float32, shapes (n_users, d) and (n_items, d)
    without : ndarray of bool, shape (n_users,)
        Users of whom the model knows nothing.
    graph : SearchGraph
    """

    def __init__(
        self,
        name: str,
        seen: Interactions,
        users: FloatArray,
        items: FloatArray,
        without: npt.NDArray[np.bool_],
        graph: SearchGraph,
    ) -> None:
        self.name, self.seen, self.users, self.items, self.without = name, seen, users, items, without
        self.graph = graph

    @classmethod
    def of(
        cls,
        name: str,
        tables: Tables | None,
        seen: Interactions,
        without: npt.NDArray[np.bool_],
        connectivity: int,
        effort: int,
        search: int,
        threads: int,
    ) -> ItemIndex:
        """Build the graph; the arguments are those of :meth:`graphrec.Recommender.to_ann`."""
        for option, value, least in (
            ("connectivity", connectivity, 2),
            ("effort", effort, 1),
            ("search", search, 1),
            ("threads", threads, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{option} must be a whole number of at least {least}, got {value!r}.")
        if tables is None or not tables.dot_product:
            raise InputError(
                f"{name} cannot be searched by an index: its score is no inner product of a user's and an item's rows."
            )
        users, items = (np.ascontiguousarray(rows.numpy()) for rows in (tables.users, tables.items))
        for side, rows, ids in (("user", users, seen.user_ids), ("item", items, seen.item_ids)):
            if (bad := ~np.isfinite(rows).all(1)).any():
                raise FloatingPointError(
                    f"the model has rows that are not finite numbers, first that of {side} {ids[bad.argmax()]!s}."
                )
        asked = users[~without]
        asked = asked[np.linspace(0, len(asked) - 1, min(len(asked), _TRIED)).astype(np.int64)]
        made = (SearchGraph.of(items, lifted, connectivity, effort, search, threads) for lifted in (True, False))
        graph = max(made, key=lambda one: one.share_found(asked, items))  # of equals the lifted one
        return cls(name, seen, users, items, without, graph)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"ItemIndex({self.name!r}, {len(self):,} items of {self.items.shape[1]} numbers, {len(self.users):,} users)"

    # ---- questions ------------------------------------------------------------------------------

    def recommend(self, users: Ids, k: int = 10, filter_seen: bool = True) -> pd.DataFrame:
        """As :meth:`graphrec.Recommender.recommend`, of the items that the search finds.

        Parameters
        ----------
        users : sequence
            Ids; one may stand alone.
        k : int
        filter_seen : bool
            Leave out what the user had in training or validation, and what the recommender was given as `seen`.

        Returns
        -------
        DataFrame
            user_id, item_id, score (exact), rank (from 1).

        Raises
        ------
        InputError
            An unknown id, a user of whom the model knows nothing, or `k` outside 1 … n_items.
        """
        check_flag("filter_seen", filter_seen)
        check_k([k], len(self))
        index = self.seen.user_index(users)
        if (nothing := self.without[index]).any():
            raise InputError(
                f"user {self.seen.user_ids[index[nothing.argmax()]]!s} has no training interaction to recommend from; ask the "
                "recommender itself, with cold='popular'."
            )
        best, scores = self.top_k(index, k, filter_seen)
        row, column = np.nonzero(best >= 0)
        return pd.DataFrame(
            {
                "user_id": self.seen.user_ids[index[row]],
                "item_id": self.seen.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
            }
        )

    def top_k(self, users: npt.NDArray[np.integer], k: int, filter_seen: bool = True) -> Lists:
        """Items (int64) and exact scores (float32) for users by index, both (n, k), best first; −1 and −∞ for none."""
        users = np.asarray(users, np.int64)
        indptr, columns = self.seen.structure
        known = np.diff(indptr)[users] if filter_seen else np.zeros(len(users), np.int64)
        best, scores = np.full((len(users), k), -1, np.int64), np.full((len(users), k), -np.inf, np.float32)
        # Rounded up, so that a few searches serve all.
        wanted = 2 ** np.ceil(np.log2(k + known)).astype(np.int64)
        for width in np.unique(wanted):
            rows = np.flatnonzero(wanted == width)
            left = np.minimum(k, len(self) - known[rows])
            while len(rows):
                found = self._nearest(self.users[users[rows]], int(width))
                if filter_seen:
                    for one, user in zip(found, users[rows], strict=True):
                        one[np.isin(one, columns[indptr[user] : indptr[user + 1]])] = -1
                best[rows], scores[rows] = self._ranked(self.users[users[rows]], found, k)
                short = (best[rows] >= 0).sum(1) < left  # the search missed some; when all are scored, none is
                rows, left, width = rows[short], left[short], 2 * width
        return best, scores

    def search(self, vectors: npt.ArrayLike, k: int = 10) -> Lists:
        """Items (indices, int64) and exact scores (float32), both (n, k), for vectors (n, d) of one's own."""
        check_k([k], len(self))
        rows = np.array(vectors, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.items.shape[1] or not np.isfinite(rows).all():
            raise InputError(f"vectors must be finite numbers of the shape (n, {self.items.shape[1]}), got {rows.shape}.")
        return self._ranked(rows, self._nearest(rows, k), k)

    def _nearest(self, rows: FloatArray, width: int) -> IntArray:
        """Candidates, −1 where there are fewer: `width` of them, or all items where half of them are asked for."""
        if 2 * width >= len(self):
            return np.tile(np.arange(len(self)), (len(rows), 1))
        return self.graph.nearest(rows, width)

    def _ranked(self, rows: FloatArray, found: IntArray, k: int) -> Lists:
        """The k best of some candidates by their exact scores; of equal ones the lower index."""
        best, scores = np.full((len(rows), k), -1, np.int64), np.full((len(rows), k), -np.inf, np.float32)
        step = max(1, _NUMBERS_AT_ONCE // max(found.shape[1] * rows.shape[1], 1))
        for lo in range(0, len(rows), step):
            part = np.sort(found[lo : lo + step], axis=1)
            exact = np.einsum("nd,nkd->nk", rows[lo : lo + step], self.items[part])
            exact[part < 0] = -np.inf
            order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
            width = order.shape[1]
            best[lo : lo + step, :width] = np.take_along_axis(part, order, 1)
            scores[lo : lo + step, :width] = np.take_along_axis(exact, order, 1)
        return best, scores

    # ---- on disk --------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the index into one file, in one move; :func:`graphrec.ann.load` reads it.

        Raises
        ------
        OSError
            The file cannot be written; what was there before is still there.
        """
        tables, meta = pack_tables(self.seen, self.seen, None)
        body, how = self.graph.pack()
        rows = {"users": torch.from_numpy(self.users), "items": torch.from_numpy(self.items)}
        tensors = {**tables, **rows, "without": torch.from_numpy(self.without), "graph": body}
        write_tensors(Path(path), tensors, {**meta, "kind": _KIND, "name": self.name, "how": how})

    @classmethod
    def read(cls, path: Path) -> ItemIndex:
        """What :meth:`save` wrote; see :func:`graphrec.ann.load`."""
        tensors, meta = read_tensors(path)
        if meta.get("kind") != _KIND:
            raise InputError(f"{path} is no index of this version of graphrec.")
        seen, _, _ = tables_of(tensors, meta, str(path))
        users, items = tensors["users"].numpy(), tensors["items"].numpy()
        graph = SearchGraph.unpack(tensors["graph"], meta["how"], items.shape[1])
        if (len(users), len(items), len(graph)) != (seen.n_users, seen.n_items, seen.n_items):
            raise InputError(f"{path} is damaged: its vectors are not those of its ids.")
        return cls(str(meta["name"]), seen, users, items, tensors["without"].numpy(), graph)
