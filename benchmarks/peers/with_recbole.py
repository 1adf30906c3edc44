"""RecBole's LightGCN."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.contract import StepPeer

__all__ = ["RecBoleLightGCN"]


class RecBoleLightGCN(StepPeer):
    """Its model, its data loader and its trainer's optimiser and evaluation; only the loop around them is ours."""

    library, model, package, environment = "RecBole", "LightGCN", "recbole", "recbole"
    notes = (
        "RecBole pins: numpy < 2, scipy < 1.11, pandas < 2.2 (its code uses names that were removed later).",
        "RecBole's own figures are those of a hardly trained model: they show that the two evaluators agree, not quality.",
    )
    ranked_users = 300

    def files(self) -> None:
        """RecBole's atomic files. It wants a validation part: one test pair, on which nothing is selected."""
        p, folder = self.pairs, self.out / "peers"
        folder.mkdir(exist_ok=True)
        test = p.test_of(self.users)
        parts = {"train": (p.train_users, p.train_items), "valid": (test[0][:1], test[1][:1]), "test": test}
        for name, (users, items) in parts.items():
            rows = "\n".join(f"{u}\t{i}" for u, i in zip(users.tolist(), items.tolist(), strict=True))
            (folder / f"peers.{name}.inter").write_text(f"user_id:token\titem_id:token\n{rows}\n")

    def prepare(self) -> None:
        from recbole.config import Config
        from recbole.data import create_dataset, data_preparation
        from recbole.model.general_recommender import LightGCN
        from recbole.trainer import Trainer
        from recbole.utils import init_seed

        self.files()
        sys.argv = sys.argv[:1]
        options = {
            "data_path": str(self.out),
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "embedding_size": self.DIM,
            "n_layers": self.LAYERS,
            "reg_weight": self.L2,
            "require_pow": True,
            "learning_rate": self.RATE,
            "train_batch_size": self.BATCH,
            "eval_args": {"mode": "full", "order": "RO", "group_by": "user", "split": {"RS": [0.8, 0.1, 0.1]}},
            "metrics": ["Recall", "NDCG"],
            "topk": [20],
            "metric_decimal_place": 6,
            "valid_metric": "NDCG@20",
            "use_gpu": False,
            "seed": self.seed,
            "state": "ERROR",
            "show_progress": False,
            "checkpoint_dir": str(self.out),
        }
        config = Config(model="LightGCN", dataset="peers", config_dict=options)
        init_seed(self.seed, True)
        self.dataset = create_dataset(config)
        self.loader, _, self.test = data_preparation(config, self.dataset)
        self.net, self.config = None, config
        self._batches = iter(self.loader)
        self._make = lambda: LightGCN(config, self.loader.dataset)
        self._trainer = Trainer

    def build_graph(self) -> None:
        """The model with its normalised adjacency."""
        self.net = self._make()
        self.trainer = self._trainer(self.config, self.net)

    def draw(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self.loader)
            return next(self._batches)

    def step(self, batch: Any) -> None:
        self.net.train()
        self.trainer.optimizer.zero_grad()
        loss = self.net.calculate_loss(batch)
        loss.backward()
        self.trainer.optimizer.step()

    def own_figures(self) -> dict[str, float]:
        result = self.trainer.evaluate(self.test, load_best_model=False)
        return {"recall@20": result["recall@20"], "ndcg@20": result["ndcg@20"]}

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """In the files' order: RecBole numbers tokens as they come, and keeps row 0 for padding."""
        import torch

        with torch.no_grad():
            tables = [t.numpy() for t in self.net.forward()]
        result = []
        for field, table, count in zip(("user_id", "item_id"), tables, (self.pairs.n_users, self.pairs.n_items), strict=True):
            tokens = self.dataset.field2id_token[field][1:].astype(np.int64)
            ordered = np.zeros((count, table.shape[1]), np.float32)
            ordered[tokens] = table[1:]
            result.append(ordered)
        return result[0], result[1]
