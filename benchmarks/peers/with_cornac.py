"""Cornac: BPR, and its LightGCN where DGL can be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import Index, K, NetPeer

__all__ = ["CornacBPR", "CornacLightGCN"]


class _Cornac(NetPeer):
    library, package, environment = "Cornac", "cornac", "cornac"
    notes = ("Cornac ranks and evaluates user by user: timed on the first 500 test users, figures from its factors.",)
    ranked_users = 500

    def prepare(self) -> None:
        from cornac.data import Dataset

        p = self.pairs
        triplets = [(u, i, 1.0) for u, i in zip(p.train_users.tolist(), p.train_items.tolist(), strict=True)]
        self.data = Dataset.from_uir(triplets, seed=self.seed)
        self.items = np.empty(self.data.num_items, np.int64)  # Cornac's number -> the files'
        self.items[list(self.data.iid_map.values())] = list(self.data.iid_map.keys())
        self.net = self.make()

    def recommend(self) -> Index:
        lists = [self.net.recommend(u, k=K, remove_seen=True, train_set=self.data) for u in self.users.tolist()]
        return np.array(lists, np.int64)

    def own_figures(self) -> dict[str, float]:
        from cornac.data import Dataset
        from cornac.eval_methods.base_method import ranking_eval
        from cornac.metrics import NDCG, Recall

        users, items = self.pairs.test_of(self.users)
        triplets = [(u, i, 1.0) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
        maps = {"global_uid_map": self.data.uid_map, "global_iid_map": self.data.iid_map}
        test = Dataset.build(triplets, **maps, exclude_unknowns=True)
        (recall, ndcg), _ = ranking_eval(self.net, [Recall(K), NDCG(K)], self.data, test)
        return {"recall@20": recall, "ndcg@20": ndcg}

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """In the files' order."""
        users, items = self.net.get_user_vectors(), self.net.get_item_vectors()
        u = np.zeros((self.pairs.n_users, users.shape[1]), np.float32)
        u[list(self.data.uid_map.keys())] = users[list(self.data.uid_map.values())]
        i = np.zeros((self.pairs.n_items, items.shape[1]), np.float32)
        i[self.items] = items
        return u, i


class CornacBPR(_Cornac):
    """BPR by SGD."""

    model = "BPR"
    settings = "64 factors; else its defaults: 100 epochs, lr 0.001, λ = 0.01, item biases"
    notes = (*_Cornac.notes, "Cornac's BPR uses one thread when it is given a seed.")

    def make(self) -> Any:
        from cornac.models import BPR

        return BPR(k=64, seed=self.seed)


class CornacLightGCN(_Cornac):
    """Its LightGCN for one epoch, to know what an epoch costs."""

    model, environment = "LightGCN", "cornac-dgl"
    settings = "K = 3, 64 dimensions, batch 2,048, one epoch"

    def make(self) -> Any:
        from cornac.models import LightGCN

        return LightGCN(emb_size=64, num_layers=3, batch_size=2048, num_epochs=1, seed=self.seed)
