"""Embedding tables and where they start."""

from __future__ import annotations

import math

from torch import nn

from graphrec.errors import InputError, unknown_name
from graphrec.graph.buffers import empty_table
from graphrec.models.parts.checks import check_at_least, check_range

__all__ = ["INITS", "embedding"]

INITS = ("normal", "uniform", "xavier", "he_normal")


def embedding(
    count: int, dim: int, std: float = 0.1, *, init: str = "normal", bounds: tuple[float, float] = (0.0, 0.05)
) -> nn.Parameter:
    """An embedding table drawn with torch's current generator.

    Parameters
    ----------
    count, dim : int
        Rows and columns.
    std : float
        Standard deviation of ``"normal"``.
    init : {"normal", "uniform", "xavier", "he_normal"}
        N(0, std²); uniform between `bounds`; Xavier's uniform rule; or N(0, 2/count), cut off at two standard
        deviations: He's rule as Keras applies it to an embedding, whose fan-in is its number of rows.
    bounds : (float, float)

    Returns
    -------
    torch.nn.Parameter, shape (count, dim)

    Raises
    ------
    InputError
        An unknown name, a dim below 1, a std that is not above 0, or bounds that are not in increasing order.
    """
    check_at_least("dim", dim, 1)
    low, high = check_range("init_range", bounds)
    if init not in INITS:
        raise unknown_name("init", init, INITS)
    table = empty_table(count, dim)
    if init == "normal":
        check_at_least("init_std", std, 0)
        if not std:
            raise InputError("init_std must be above 0: from rows of zeros nothing is learnt.")
        nn.init.normal_(table).mul_(std)
    elif init == "uniform":
        nn.init.uniform_(table, low, high)
    elif init == "xavier":
        nn.init.xavier_uniform_(table)
    else:
        # A normal distribution cut at ±2σ has .8796 of the standard deviation.
        scale = math.sqrt(2 / count) / 0.87962566
        nn.init.trunc_normal_(table, 0.0, scale, -2 * scale, 2 * scale)
    return nn.Parameter(table)
