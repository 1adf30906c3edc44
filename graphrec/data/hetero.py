"""Interactions as PyTorch Geometric's ``HeteroData``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphrec.data.pair_table import PairTable
from graphrec.errors import InputError

__all__ = ["hetero_data"]

_PAIR = ("user", "rates", "item")
_BACK = ("item", "rev_rates", "user")
_MASKS = {"train": "train_mask", "valid": "val_mask", "test": "test_mask"}


def hetero_data(edges: PairTable, labels: Mapping[str, PairTable] | None = None) -> Any:
    """A graph of two types of nodes and edges in both directions.

    Parameters
    ----------
    edges : Interactions
        Along which messages go.
    labels : mapping of "train", "valid" and "test" to Interactions, optional
        What is to be predicted; see :meth:`graphrec.Split.to_hetero_data`.

    Returns
    -------
    torch_geometric.data.HeteroData
    """
    try:
        from torch_geometric.data import HeteroData
    except ImportError:
        raise InputError("HeteroData needs PyTorch Geometric: pip install 'torch-geometric>=2.5'.") from None
    import torch

    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = edges.n_users, edges.n_items
    forth, back = data[_PAIR], data[_BACK]
    forth.edge_index = torch.from_numpy(np.stack([edges.users, edges.items]).astype(np.int64))
    back.edge_index = forth.edge_index.flip(0).contiguous()
    for name, column in (("rating", edges.ratings), ("time", edges.times), ("weight", edges.weights)):
        if column is not None:
            forth[name] = torch.tensor(column)
            back[name] = forth[name].clone()
    if labels:
        parts = list(labels.values())
        pairs = np.stack([np.concatenate([part.users for part in parts]), np.concatenate([part.items for part in parts])])
        forth.edge_label_index = torch.from_numpy(pairs.astype(np.int64))
        rated = all(part.ratings is not None for part in parts)
        values = np.concatenate([part.ratings if rated else np.ones(len(part), np.float32) for part in parts])
        forth.edge_label = torch.from_numpy(values)
        which = np.repeat(np.array(list(labels)), [len(part) for part in parts])
        for name, mask in _MASKS.items():
            forth[mask] = torch.from_numpy(which == name)
    return data
