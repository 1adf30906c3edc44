"""A multi-layer perceptron over pairs of rows, for one pair each or for all pairs under a memory budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.errors import InputError, unknown_name
from graphrec.models.parts.checks import check_at_least, check_dropout, check_widths

__all__ = ["PairNetwork"]

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


class PairNetwork(nn.Module):
    """f(u, v) = w · h_L + c with h₁ = act(W [u; v] + b), h₂ = act(W₂ h₁ + b₂), …

    The first layer is taken apart, W [u; v] = W_u u + W_v v, so that it costs one product a row instead of
    one a pair: the work for a pair starts at the first hidden layer.

    Parameters
    ----------
    user_width, item_width : int
        Widths of the rows u and v.
    hidden : sequence of int
        Width of each hidden layer.
    input_dropout : float
        Probability of dropping an entry of a row.
    dropout : float or sequence of float
        Probability of dropping a unit of each hidden layer, after its activation.
    activation : {"relu", "leaky_relu"}
    budget : int
        Largest number of elements of a temporary in :meth:`all_pairs`. The default fits the caches of a
        processor core, which is also the fastest: 16 M elements take twice the time.
    """

    def __init__(
        self,
        user_width: int,
        item_width: int,
        hidden: Sequence[int],
        *,
        input_dropout: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        activation: Literal["relu", "leaky_relu"] = "relu",
        budget: int = 1 << 19,
    ) -> None:
        super().__init__()
        widths = [user_width + item_width, *check_widths("hidden", hidden)]
        each = list(dropout) if isinstance(dropout, Sequence) else [dropout] * len(hidden)
        if len(each) != len(hidden):
            raise InputError(f"dropout names {len(each)} probabilities for {len(hidden)} hidden layers.")
        if activation not in _ACTIVATIONS:
            raise unknown_name("activation", activation, _ACTIVATIONS)
        check_at_least("budget", budget, 1)
        self.user_width = user_width
        self.budget = budget
        self.layers = nn.ModuleList(nn.Linear(a, b, dtype=torch.float32) for a, b in pairwise(widths))
        self.out = nn.Linear(widths[-1], 1, dtype=torch.float32)
        self.input_dropout = nn.Dropout(check_dropout("input_dropout", input_dropout))
        self.dropouts = nn.ModuleList(nn.Dropout(check_dropout("dropout", p)) for p in each)
        self.activation = _ACTIVATIONS[activation](inplace=True)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Hidden layers by Xavier's rule, the output by LeCun's, biases zero: the NCF authors' choice."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.kaiming_uniform_(self.out.weight, a=1)
        nn.init.zeros_(self.out.bias)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Values of paired rows.

        Parameters
        ----------
        u : Tensor, shape (..., user_width)
        v : Tensor, shape (..., item_width)
            Leading axes broadcast.

        Returns
        -------
        Tensor, shape (...)
        """
        left, right = self._first_layer(u, v)
        return self._above(left + right)

    def all_pairs(self, u: Tensor, v: Tensor) -> Tensor:
        """Values of every row of `u` with every row of `v`, block by block.

        Parameters
        ----------
        u : Tensor, shape (b, user_width)
        v : Tensor, shape (m, item_width)

        Returns
        -------
        Tensor, shape (b, m)
        """
        left, right = self._first_layer(u, v)
        widest = max(layer.out_features for layer in self.layers if isinstance(layer, nn.Linear))
        # Another device than the CPU has no such cache, and a small block does not keep it busy.
        budget = self.budget if u.device.type == "cpu" else 32 * self.budget
        pairs = max(1, budget // widest)
        columns = min(max(len(right), 1), pairs)
        rows = max(1, pairs // columns)
        stripes = []
        for r in range(0, max(len(left), 1), rows):
            some = left[r : r + rows, None]
            blocks = [self._above(some + right[c : c + columns]) for c in range(0, max(len(right), 1), columns)]
            stripes.append(torch.cat(blocks, dim=1))
        return torch.cat(stripes)

    def _first_layer(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands of the first hidden layer before its activation; the bias is in the first."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        to_u, to_v = first.weight[:, : self.user_width], first.weight[:, self.user_width :]
        return F.linear(self.input_dropout(u), to_u, first.bias), F.linear(self.input_dropout(v), to_v)

    def _above(self, x: Tensor) -> Tensor:
        """From the first hidden layer before its activation (..., h) to the value (...); overwrites `x`."""
        for depth, dropout in enumerate(self.dropouts):
            if depth:
                x = self.layers[depth](x)
            x = dropout(self.activation(x))
        value: Tensor = self.out(x).squeeze(-1)
        return value
