"""graphrec itself, through the same calls as the others, in its own process."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import EpochPeer, Index, K, Peer, StepPeer
from benchmarks.peers.with_rectools import dense_too_large

__all__ = [
    "GraphrecEASE",
    "GraphrecFast",
    "GraphrecLightGCN",
    "GraphrecMF",
    "GraphrecMFEpochs",
    "GraphrecMFEpochsAdam",
    "GraphrecRP3beta",
]

METRICS = ["recall@20", "recall_capped@20", "ndcg@20"]


class _Graphrec(Peer):
    library, package, environment = "graphrec", "graphrec", ""

    def prepare(self) -> None:
        import torch

        import graphrec as gr

        torch.set_num_threads(self.threads)
        self.split = gr.read_lightgcn(self.folder, overlap="keep", cache=False).without_valid()

    def evaluate(self, model: Any) -> dict[str, float]:
        from graphrec.evaluation.full_ranking import full_ranking
        from graphrec.ranking.ranker import Ranker

        test = self.split.test
        chosen = test.select(np.isin(test.users, self.users))
        return dict(full_ranking(Ranker(model, self.split.train), chosen, metrics=METRICS).mean)


class GraphrecLightGCN(_Graphrec, StepPeer):
    """The step as the trainer takes it."""

    model = "LightGCN"
    ranked_users = 300

    def build_graph(self) -> None:
        import torch

        import graphrec as gr
        from graphrec.sampling import PairSampler
        from graphrec.training.objectives import objective
        from graphrec.training.options import FitOptions

        torch.manual_seed(self.seed)
        self.net = gr.models.LightGCN(self.split.train, dim=self.DIM, layers=self.LAYERS)
        self.net.adjacency()
        self.objective = objective(FitOptions(loss="bpr", l2=self.L2))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.RATE, fused=True)
        self.sampler = PairSampler(self.split.train, self.BATCH, generator=torch.Generator().manual_seed(self.seed))
        self._batches = iter(self.sampler)

    def draw(self) -> Any:
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(self.sampler)
            batch = next(self._batches)
        return batch

    def step(self, batch: Any) -> None:
        self.net.train()
        self.optimizer.zero_grad(set_to_none=True)
        self.objective(self.net, batch).backward()
        self.optimizer.step()

    def own_figures(self) -> dict[str, float]:
        return self.evaluate(self.net)


class _Fitted(_Graphrec):
    name = ""
    options: ClassVar[dict[str, Any]] = {}

    def fit(self) -> None:
        import graphrec as gr

        options = {**self.options, "seed": self.seed, "progress": False} if self.options else {}
        self.recommender = gr.Recommender(self.name).fit(self.split.train, **options)

    def recommend(self) -> Index:
        from graphrec.ranking.ranker import Ranker

        lists, _ = Ranker(self.recommender.model, self.split.train).top_k(self.users, K)
        return lists.astype(np.int64)

    def own_figures(self) -> dict[str, float]:
        return self.evaluate(self.recommender.model)


class GraphrecRP3beta(_Fitted):
    """The training-free walk on the graph."""

    model, name, settings = "RP3β", "rp3beta", "its defaults"


class GraphrecEASE(_Fitted):
    """The closed-form item-item regression."""

    model, name, settings = "EASE", "ease", "its defaults: λ = 500"

    @classmethod
    def unsuitable(cls, n_users: int, n_items: int) -> str | None:
        return dense_too_large(n_items)


class GraphrecFast(_Fitted):
    """LightGCN by the preset ``lightgcn-fast``, whose recipe was chosen on Gowalla's validation part."""

    model, settings = "LightGCN, lightgcn-fast", "the preset; its recipe was chosen on Gowalla's validation part"

    def fit(self) -> None:
        import graphrec as gr

        self.recommender = gr.preset("lightgcn-fast").fit(self.split.train, seed=self.seed, progress=False)

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        rows = self.recommender.embeddings()  # what is ranked by: with the term for popularity that training leaves out
        return rows["users"].to_numpy(), rows["items"].to_numpy()


class GraphrecMF(_Fitted):
    """BPR with row-wise Adagrad."""

    model, name = "MF-BPR", "mf"
    options: ClassVar[dict[str, Any]] = {"epochs": 40}
    settings = "64 factors, 40 epochs; else its defaults: batch 2,048, row-wise Adagrad .05, λ = .03"

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        model = self.recommender.model
        return model.users.detach().numpy(), model.items.detach().numpy()


class GraphrecMFHogwild(GraphrecMF):
    """The same pair by pair, without locks, as implicit does."""

    model = "MF-BPR, hogwild"
    options: ClassVar[dict[str, Any]] = {**GraphrecMF.options, "hogwild": True}
    settings = "64 factors, 40 epochs, hogwild; else its defaults: row-wise Adagrad .05, λ = .03"


class GraphrecMFEpochs(_Graphrec, EpochPeer):
    """Epochs as the trainer takes them, with all that it does at their end."""

    settings = "its defaults: batch 2,048, row-wise Adagrad .05, λ = .03"
    learning: ClassVar[dict[str, Any]] = {}

    def begin(self) -> None:
        import torch

        import graphrec as gr
        from graphrec.training.options import FitOptions
        from graphrec.training.trainer import Trainer

        torch.manual_seed(self.seed)
        net = gr.models.MF(self.split.train, dim=self.FACTORS)
        options = FitOptions(**{**net.defaults, **self.learning, "seed": self.seed, "progress": False})
        self.trainer = Trainer(net, options)
        self.sampler = self.trainer.objective.sampler(self.split.train, self.trainer.generator)

    def epochs(self) -> None:
        for _ in range(self.AT_ONCE):
            self.trainer._epoch(self.sampler)


class GraphrecMFEpochsAdam(GraphrecMFEpochs):
    """The same under Adam."""

    settings = "batch 2,048, Adam 5e-3, λ = .01"
    learning: ClassVar[dict[str, Any]] = {"optimizer": "adam", "lr": 5e-3, "l2": 1e-2}


class GraphrecMFEpochsHogwild(GraphrecMFEpochs):
    """The same pair by pair, without locks."""

    settings = "hogwild; else its defaults: row-wise Adagrad .05, λ = .03"
    learning: ClassVar[dict[str, Any]] = {"hogwild": True, "batch_size": 2**18}
