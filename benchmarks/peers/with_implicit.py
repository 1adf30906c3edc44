"""implicit: alternating least squares, and BPR."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import EpochPeer, Index, K, Peer

__all__ = ["ImplicitALS", "ImplicitBPR", "ImplicitBPREpochs"]


class _Implicit(Peer):
    library, package, environment = "implicit", "implicit", "implicit"
    variables: ClassVar[dict[str, str]] = {"OPENBLAS_NUM_THREADS": "1"}  # it warns otherwise: its own threads call BLAS
    notes = ("implicit calls hits / Σ min(20, |test items|), over all users at once, precision; it has no recall.",)

    def prepare(self) -> None:
        from scipy.sparse import csr_matrix

        p = self.pairs
        shape = (p.n_users, p.n_items)
        self.train, self.test = (
            csr_matrix((np.ones(len(u), np.float32), (u, i)), shape=shape)
            for u, i in ((p.train_users, p.train_items), (p.test_users, p.test_items))
        )
        self.net = self.make()

    def make(self) -> Any:
        raise NotImplementedError

    def fit(self) -> None:
        self.net.fit(self.train, show_progress=False)

    def recommend(self) -> Index:
        items, _ = self.net.recommend(self.users, self.train[self.users], N=K, filter_already_liked_items=True)
        return np.asarray(items, np.int64)

    def own_figures(self) -> dict[str, float]:
        from implicit.evaluation import ranking_metrics_at_k

        figures = ranking_metrics_at_k(self.net, self.train, self.test, K=K, show_progress=False, num_threads=self.threads)
        return {"ndcg@20": figures["ndcg"], "map@20": figures["map"], "its precision": figures["precision"]}

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return self.net.user_factors, self.net.item_factors


class ImplicitALS(_Implicit):
    """Weighted least squares with conjugate gradients."""

    model = "ALS"
    settings = "64 factors; else its defaults: 15 iterations, α = 1, λ = 0.01"

    def make(self) -> Any:
        from implicit.als import AlternatingLeastSquares

        return AlternatingLeastSquares(factors=64, num_threads=self.threads, random_state=self.seed, use_gpu=False)


class ImplicitBPR(_Implicit):
    """BPR by lock-free SGD."""

    model = "BPR"
    settings = "64 factors; else its defaults: 100 epochs, lr 0.01, λ = 0.01, negatives not checked against train"
    notes = (*_Implicit.notes, "implicit's BPR on several threads is lock-free: a fixed seed does not fix its result.")

    def make(self) -> Any:
        from implicit.bpr import BayesianPersonalizedRanking

        return BayesianPersonalizedRanking(factors=64, num_threads=self.threads, random_state=self.seed, use_gpu=False)


class ImplicitBPREpochs(ImplicitBPR, EpochPeer):
    """Its epochs: a fit goes on from the tables that are there."""

    def begin(self) -> None:
        self.net.iterations = self.AT_ONCE

    def epochs(self) -> None:
        self.fit()
