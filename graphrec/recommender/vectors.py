"""What a fitted recommender gives to other programs: the rows of users and items, and a search index over them."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import numpy as np

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.recommender.item_index import ItemIndex
from graphrec.recommender.questions import Questions

__all__ = ["Embeddings", "Vectors"]


class Embeddings(TypedDict):
    """What :meth:`Vectors.embeddings` returns."""

    users: pd.DataFrame
    items: pd.DataFrame


class Vectors(Questions):
    """The part of a recommender that hands out its rows."""

    def embeddings(self) -> Embeddings:
        """The final rows of all users and items, those that scores are made of.

        For the models whose score is a dot product (MF, LightGCN, NGCF, PureSVD and most others; cosines are rows of length
        1), ``users.loc[u] @ items.loc[i]`` is :meth:`score` beyond rounding; where a popularity term or biases belong to the
        score, they are columns. For NeuMF and its like the rows are what goes into the network.

        Returns
        -------
        dict
            ``"users"`` and ``"items"``: DataFrames of float32, shapes (n_users, d) and (n_items, d), with the ids as index.
            They are copies.

        Raises
        ------
        InputError
            It is not fitted, or its model scores without such rows (item filters, neighbour models, blends).

        Examples
        --------
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> rec = gr.Recommender("mf", dim=2).fit(liked, epochs=1, progress=False)
        >>> found = rec.embeddings()
        >>> found["users"].shape, found["items"].shape
        ((3, 2), (4, 2))
        >>> bool(abs(found["users"].loc[0] @ found["items"].loc[3] - rec.score(0, 3)[0]) < 1e-6)
        True
        """
        state = self._fitted
        table, tables = state.built_from, state.ranker.tables()
        if tables is None:
            raise InputError(f"{self.name} has no embeddings: its scores are not made of a row of each user and each item.")
        users = pd.DataFrame(tables.users.numpy(), index=pd.Index(table.user_ids, name="user_id"))
        items = pd.DataFrame(tables.items.numpy(), index=pd.Index(table.item_ids, name="item_id"))
        return {"users": users, "items": items}

    def to_ann(
        self,
        path: str | Path | None = None,
        *,
        connectivity: int = 16,
        effort: int = 128,
        search: int = 128,
        threads: int = 1,
    ) -> ItemIndex:
        """A search index over the items, for catalogues that are too large to score all of them for every question.

        Two graphs are made and the better one is kept; see :class:`~graphrec.recommender.search_graph.SearchGraph`. It is a
        copy of what the recommender is now: make it anew after another fit. :func:`graphrec.ann.recall` says how many of the
        exact best items it finds, and :func:`graphrec.ann.load` reads it where the recommender is not.

        Parameters
        ----------
        path : path, optional
            A file to write it to, in one move.
        connectivity : int
            Neighbours of an item in the graph.
        effort, search : int
            Candidates that are looked at when an item is put in, and at least when a question is asked: more find more.
        threads : int
            That build it; 0 for all cores. With one the same rows make the same index.

        Returns
        -------
        ItemIndex

        Raises
        ------
        InputError
            It is not fitted, the score of its model is no inner product, an option is out of range, or usearch is not there.
        FloatingPointError
            The model has rows that are not finite numbers.
        """
        state = self._fitted
        nothing = state.has_nothing if self.kind.personalised else np.zeros(state.built_from.n_users, bool)
        index = ItemIndex.of(self.name, state.ranker.tables(), state.left_out, nothing, connectivity, effort, search, threads)
        if path is not None:
            index.save(path)
        return index
