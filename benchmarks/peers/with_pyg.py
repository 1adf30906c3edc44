"""PyTorch Geometric's own LightGCN."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.contract import StepPeer

__all__ = ["PyGLightGCN"]


class PyGLightGCN(StepPeer):
    """``torch_geometric.nn.models.LightGCN`` on an edge index, trained as in its documentation's example."""

    library, model, package, environment = "PyTorch Geometric", "LightGCN", "torch-geometric", "pyg"
    notes = (
        "PyG normalises the edge index anew in every product and draws negatives without rejection, as its example does; "
        "its L2 term covers each distinct node of the batch once.",
    )

    def prepare(self) -> None:
        import torch

        torch.manual_seed(self.seed)
        torch.set_num_threads(self.threads)
        p = self.pairs
        forward = np.stack([p.train_users, p.train_items + p.n_users])
        self.train = torch.from_numpy(forward)
        self.generator = torch.Generator().manual_seed(self.seed)

    def build_graph(self) -> None:
        """The edge index in both directions, and the model."""
        import torch
        from torch_geometric.nn.models import LightGCN

        self.edges = torch.cat([self.train, self.train.flip(0)], dim=1)
        self.net = LightGCN(self.pairs.n_users + self.pairs.n_items, self.DIM, self.LAYERS)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.RATE)

    def draw(self) -> Any:
        import torch

        p, g = self.pairs, self.generator
        positive = self.train[:, torch.randint(self.train.shape[1], (self.BATCH,), generator=g)]
        negative = torch.stack([positive[0], torch.randint(p.n_users, p.n_users + p.n_items, (self.BATCH,), generator=g)])
        return torch.cat([positive, negative], dim=1)

    def step(self, batch: Any) -> None:
        self.optimizer.zero_grad()
        positive, negative = self.net(self.edges, batch).chunk(2)
        loss = self.net.recommendation_loss(positive, negative, node_id=batch.unique(), lambda_reg=self.L2)
        loss.backward()
        self.optimizer.step()
