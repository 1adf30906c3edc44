"""LensKit's ALS for implicit feedback."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import Index, K, Peer, by_rank

__all__ = ["LensKitALS"]


class LensKitALS(Peer):
    """``ImplicitMFScorer`` in LensKit's standard top-n pipeline."""

    library, model, package, environment = "LensKit", "ImplicitMF", "lenskit", "lenskit"
    settings = "64 factors; else its defaults: 10 epochs, weight 40, λ = 0.1; the trained user rows, not refolded ones"
    notes = (
        "LensKit's Recall@n divides by min(n, |test items|): compared with recall_capped@20.",
        "LensKit's NDCG discounts ranks 1 and 2 alike; with LogRankWeight(offset=1) it is graphrec's ndcg@20.",
        "LensKit recommends user by user through its pipeline: timed on the first 2,000 test users, figures from its factors.",
    )
    ranked_users = 2000

    def prepare(self) -> None:
        import pandas as pd
        from lenskit.data import from_interactions_df

        p = self.pairs
        self.data = from_interactions_df(pd.DataFrame({"user_id": p.train_users, "item_id": p.train_items}))

    def fit(self) -> None:
        from lenskit.als import ImplicitMFScorer
        from lenskit.pipeline import topn_pipeline
        from lenskit.training import TrainingOptions

        self.scorer = ImplicitMFScorer(embedding_size=64, user_embeddings="prefer")
        self.pipeline = topn_pipeline(self.scorer, n=K)
        self.pipeline.train(self.data, TrainingOptions(rng=self.seed))

    def recommend(self) -> Index:
        from lenskit.batch import recommend

        self.lists = recommend(self.pipeline, self.users.tolist(), K, n_jobs=1)
        frame = self.lists.to_df().sort_values(["user_id", "rank"], kind="stable")
        return by_rank(frame["item_id"].to_numpy(), frame["user_id"].to_numpy(np.int64), self.users)

    def own_figures(self) -> dict[str, float]:
        import pandas as pd
        from lenskit.data import ItemListCollection, UserIDKey
        from lenskit.metrics import NDCG, Recall, RunAnalysis
        from lenskit.metrics.ranking import LogRankWeight

        users, items = self.pairs.test_of(self.users)
        truth = ItemListCollection.from_df(pd.DataFrame({"user_id": users, "item_id": items}), UserIDKey)
        run = RunAnalysis()
        run.add_metric(Recall(K))
        run.add_metric(NDCG(K, weight=LogRankWeight(offset=1)), label="NDCG, offset 1")
        run.add_metric(NDCG(K), label="NDCG")
        means = run.measure(self.lists, truth).list_metrics().mean()
        return {"recall_capped@20": means["Recall@20"], "ndcg@20": means["NDCG, offset 1"], "its default NDCG": means["NDCG"]}

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """In the files' order; a user or item without a training pair has a row of zeros."""
        result = []
        scorer, p = self.scorer, self.pairs
        for vocabulary, table, count in (
            (scorer.users, scorer.user_embeddings, p.n_users),
            (scorer.items, scorer.item_embeddings, p.n_items),
        ):
            ordered = np.zeros((count, table.shape[1]), np.float32)
            ordered[np.asarray(vocabulary.ids(), np.int64)] = table
            result.append(ordered)
        return result[0], result[1]
