"""RecTools: PureSVD, EASE, and its metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import Index, K, NetPeer, by_rank

__all__ = ["RecToolsEASE", "RecToolsPureSVD"]


class _RecTools(NetPeer):
    library, package, environment = "RecTools", "RecTools", "rectools"
    notes = ("RecTools' NDCG@20 divides by the DCG of 20 hits unless divide_by_achievable=True, which is graphrec's ndcg@20.",)

    def prepare(self) -> None:
        import pandas as pd
        from rectools import Columns
        from rectools.dataset import Dataset

        p = self.pairs
        frame = pd.DataFrame({Columns.User: p.train_users, Columns.Item: p.train_items})
        frame[Columns.Weight], frame[Columns.Datetime] = 1.0, pd.Timestamp("2020-01-01")
        self.data = Dataset.construct(frame)
        self.net = self.make()

    def recommend(self) -> Index:
        self.table = self.net.recommend(self.users, self.data, k=K, filter_viewed=True).sort_values(["user_id", "rank"])
        return by_rank(self.table["item_id"].to_numpy(), self.table["user_id"].to_numpy(np.int64), self.users)

    def own_figures(self) -> dict[str, float]:
        import pandas as pd
        from rectools import Columns
        from rectools.metrics import NDCG, Recall, calc_metrics

        users, items = self.pairs.test_of(self.users)
        metrics = {
            "recall@20": Recall(K),
            "ndcg@20": NDCG(K, divide_by_achievable=True),
            "its default NDCG": NDCG(K),
        }
        truth = pd.DataFrame({Columns.User: users, Columns.Item: items})
        return {str(k): float(v) for k, v in calc_metrics(metrics, self.table, truth).items()}

    def external(self, table: npt.NDArray[Any], ids: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        """Rows in the files' order."""
        ordered = np.zeros((count, table.shape[1]), np.float32)
        ordered[np.asarray(ids, np.int64)] = table
        return ordered


class RecToolsPureSVD(_RecTools):
    """A truncated SVD of the binary matrix."""

    model, settings = "PureSVD", "64 factors; else its defaults"
    notes = (*_RecTools.notes, "RecTools' PureSVD refuses a seed with the SciPy that it installs, so it runs without one.")

    def make(self) -> Any:
        from rectools.models import PureSVDModel

        return PureSVDModel(factors=64, recommend_n_threads=self.threads)

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        users, items = self.net.get_vectors()
        p, maps = self.pairs, self.data
        return (
            self.external(users, maps.user_id_map.external_ids, p.n_users),
            self.external(items, maps.item_id_map.external_ids, p.n_items),
        )


class RecToolsEASE(_RecTools):
    """The closed-form item-item regression."""

    model, settings = "EASE", "its defaults: λ = 500"
    notes = (
        *_RecTools.notes,
        "RecTools' EASE multiplies a user's row by the transpose of the weights (its ranker transposes the right side), "
        "so its lists differ from graphrec's EASE with the same λ; on MovieLens-100K the transposed weights of the paper's "
        "formula give RecTools' figures, the formula itself gives graphrec's.",
    )

    @classmethod
    def unsuitable(cls, n_users: int, n_items: int) -> str | None:
        return dense_too_large(n_items)

    def make(self) -> Any:
        from rectools.models import EASEModel

        return EASEModel(recommend_n_threads=self.threads)


def dense_too_large(n_items: int) -> str | None:
    """Why EASE is not run on a catalogue."""
    if n_items <= 6000:
        return None
    return f"not run: inverts a dense {n_items:,} × {n_items:,} matrix, {8 * n_items**2 / 2**30:.0f} GiB in float64"
