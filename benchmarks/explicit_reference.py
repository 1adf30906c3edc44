"""Rows 7 and 8 in plain torch, as their notebooks have them: the reference that the examples are compared with.

Three models of explicit ratings trained on the whole training part at once, a step of Adam an epoch and a new Adam each
stage. The split is the library's, the same as in ``examples/explicit_models.py`` and ``explicit_models_staged.py``, and so are
the encoded ids; training is on the whole 80 %, as in the notebooks, and nothing is chosen. Nothing else is the
library's. Row 7 does not say where embeddings start: torch's own N(0, 1) and row 8's uniform(0, .05) are both run.

    python -m benchmarks.explicit_reference
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphrec as gr

ROW_7 = {"MF": (10, 0.0, [0.1]), "MF with biases": (10, 1e-5, [0.05]), "CollabFNet": (15, 1e-6, [0.05])}
RATES_8 = {"MF": [0.1, 0.01, 0.01], "MF with biases": [0.05, 0.01, 0.001], "CollabFNet": [0.05, 0.001, 0.001]}


class MF(nn.Module):
    """A dot product of embeddings."""

    def __init__(self, n_users: int, n_items: int, dim: int = 100) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(n_users, dim), nn.Embedding(n_items, dim)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of pairs of indices, shape (n,)."""
        return (self.user(u) * self.item(v)).sum(1)


class MFBias(MF):
    """The dot product and a bias of the user and of the item."""

    def __init__(self, n_users: int, n_items: int, dim: int = 100) -> None:
        super().__init__(n_users, n_items, dim)
        self.user_bias, self.item_bias = nn.Embedding(n_users, 1), nn.Embedding(n_items, 1)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of pairs of indices, shape (n,)."""
        return super().forward(u, v) + self.user_bias(u).squeeze(1) + self.item_bias(v).squeeze(1)


class CollabFNet(nn.Module):
    """A hidden layer of ten over joined and rectified embeddings."""

    def __init__(self, n_users: int, n_items: int, dim: int = 100, hidden: int = 10) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(n_users, dim), nn.Embedding(n_items, dim)
        self.first, self.second, self.dropout = nn.Linear(2 * dim, hidden), nn.Linear(hidden, 1), nn.Dropout(0.1)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of pairs of indices, shape (n,)."""
        x = self.dropout(F.relu(torch.cat([self.user(u), self.item(v)], dim=1)))
        return self.second(F.relu(self.first(x))).squeeze(1)


MODELS = {"MF": MF, "MF with biases": MFBias, "CollabFNet": CollabFNet}


def tensors(part: gr.Interactions) -> tuple[Tensor, Tensor, Tensor]:
    """Users, items and ratings."""
    assert part.ratings is not None
    return (
        torch.from_numpy(part.users.astype(np.int64)),
        torch.from_numpy(part.items.astype(np.int64)),
        torch.tensor(part.ratings),
    )


def run(split: gr.Split, name: str, epochs: int, decay: float, rates: Sequence[float], uniform: bool, seed: int) -> list[float]:
    """Test MSE after each stage."""
    torch.manual_seed(seed)
    both = split.train_and_valid
    model = MODELS[name](both.n_users, both.n_items)
    if uniform:
        for module in model.modules():
            if isinstance(module, nn.Embedding) and module.embedding_dim > 1:
                module.weight.data.uniform_(0, 0.05)
            elif isinstance(module, nn.Embedding):
                module.weight.data.uniform_(-0.01, 0.01)
    assert split.test is not None
    train, test, after = tensors(both), tensors(split.test), []
    for rate in rates:
        adam = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
        model.train()
        for _ in range(epochs):
            adam.zero_grad()
            F.mse_loss(model(*train[:2]), train[2]).backward()
            adam.step()
        model.eval()
        with torch.no_grad():
            after.append(F.mse_loss(model(*test[:2]), test[2]).item())
    return after


def main(seeds: int = 3) -> None:
    """Run both rows and print means and deviations over the seeds."""
    kept = gr.load_dataset("ml-100k").interactions.drop_duplicates().k_core(10, 1)
    small = gr.load_dataset("ml-latest-small").interactions.drop_duplicates()
    rows_8 = {name: (epochs, decay, RATES_8[name]) for name, (epochs, decay, _) in ROW_7.items()}
    experiments = (
        ("row 7, N(0, 1)", gr.split.chronological(kept, test=0.2, valid=0.1, cold="drop"), ROW_7, False),
        ("row 7, uniform", gr.split.chronological(kept, test=0.2, valid=0.1, cold="drop"), ROW_7, True),
        ("row 8, uniform", gr.split.random(small, test=0.2, valid=0.1, seed=3, cold="drop"), rows_8, True),
    )
    rows = [
        {"row": title, "model": name, "stage": stage + 1, "lr": own[2][stage], "seed": seed, "test mse": mse}
        for title, split, settings, uniform in experiments
        for name, own in settings.items()
        for seed in range(seeds)
        for stage, mse in enumerate(run(split, name, *own, uniform, seed))
    ]
    table = pd.DataFrame(rows).groupby(["row", "model", "stage", "lr"], sort=False)["test mse"]
    print(table.agg(["mean", "std"]).round(4).to_string())


if __name__ == "__main__":
    main()
