"""Initial embeddings from the interactions themselves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.tables import embedding
from graphrec.models.parts.truncated_svd import truncated_svd

__all__ = ["node_table", "singular_vectors"]


def node_table(train: Interactions, dim: int, std: float, init: str) -> nn.Parameter:
    """An embedding table of all nodes, users first.

    Parameters
    ----------
    train : Interactions
    dim : int
    std : float
        Spread of the entries.
    init : {"normal", "svd"}
        N(0, std²), or :func:`singular_vectors`.

    Returns
    -------
    torch.nn.Parameter of float32, shape (n_users + n_items, dim)
    """
    if init not in ("normal", "svd"):
        raise InputError(f"init must be 'normal' or 'svd', got {init!r}.")
    table = embedding(train.n_users + train.n_items, dim, std)
    if init == "svd":
        table.data.copy_(singular_vectors(train, dim, std))
    return table


def singular_vectors(train: Interactions, dim: int, spread: float) -> Tensor:
    """Leading singular vectors of D_U^-½ R D_I^-½, each times the root of its singular value.

    Their products are the best approximation of that matrix of rank `dim`: a start from which a model has
    seen the coarse structure of the data before its first step.

    Parameters
    ----------
    train : Interactions
    dim : int
        At most the number of users and of items.
    spread : float
        Root mean square of the result's entries.

    Returns
    -------
    Tensor of float32, shape (n_users + n_items, dim)
        Users first. Nodes without an interaction get zeros.
    """
    if dim > min(train.n_users, train.n_items):
        raise InputError(f"init='svd' gives at most {min(train.n_users, train.n_items)} dimensions here, got dim={dim}.")
    matrix = train.to_csr("ones")
    scales = [np.asarray(matrix.sum(axis)).ravel().clip(min=1) ** -0.5 for axis in (1, 0)]
    scaled = (sparse.diags(scales[0]) @ matrix @ sparse.diags(scales[1])).tocsr().astype(np.float32)
    # A start need not be exact: a span of twice the rank costs a third of what the filters ask for.
    u, s, v = truncated_svd(scaled, dim, effort=2)
    start = torch.cat([u, v]) * s.sqrt()
    return start * (spread / start.square().mean().sqrt())
