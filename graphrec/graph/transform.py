"""What NGCF does with a node and its neighbours' sum, once the sum is there."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.errors import InputError

__all__ = ["NGCFTransform"]


class NGCFTransform(nn.Module):
    """The dense part of an NGCF layer (Wang et al., SIGIR 2019, eq. 7), in two forms.

    ``"paper"``: LeakyReLU(W₁(s + e) + W₂(s ⊙ e)).
    ``"official"``: LeakyReLU(W₁s + b₁) + LeakyReLU(W₂(s ⊙ e) + b₂), as in the authors' code, where the
    self-connection is part of the adjacency.

    Parameters
    ----------
    width_in, width_out : int
    form : {"paper", "official"}
    slope : float
        Of LeakyReLU for negative arguments: 0.2 in TensorFlow and so in the official code, 0.01 in PyTorch ports.
    """

    def __init__(
        self, width_in: int, width_out: int, form: Literal["paper", "official"] = "official", slope: float = 0.2
    ) -> None:
        super().__init__()
        if width_out < 1:
            raise InputError(f"every entry of layers must be at least 1, got {width_out}.")
        self.form = form
        self.slope = slope
        self.sum = nn.Linear(width_in, width_out, bias=form == "official", dtype=torch.float32)
        self.product = nn.Linear(width_in, width_out, bias=form == "official", dtype=torch.float32)
        for linear in (self.sum, self.product):
            nn.init.xavier_uniform_(linear.weight)
            if form == "official":
                # The official code draws biases by Xavier's rule from the shape (1, width_out).
                bound = (6.0 / (1 + width_out)) ** 0.5
                nn.init.uniform_(linear.bias, -bound, bound)

    def forward(self, e: Tensor, s: Tensor) -> Tensor:
        """Combine nodes with their propagated neighbourhoods.

        Parameters
        ----------
        e, s : Tensor, shape (n, width_in)
            The nodes' rows, and the same rows of Â·E.

        Returns
        -------
        Tensor, shape (n, width_out)
        """
        if self.form == "paper":
            return F.leaky_relu(self.sum(s + e) + self.product(s * e), self.slope)
        return torch.add(F.leaky_relu(self.sum(s), self.slope), F.leaky_relu(self.product(s * e), self.slope))
