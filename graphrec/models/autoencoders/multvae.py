"""Mult-VAE and Mult-DAE: autoencoders of a user's items under a multinomial likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.losses import gaussian_kl
from graphrec.models.autoencoders.vector_model import VectorModel, VectorRows
from graphrec.models.base import Step
from graphrec.models.parts.checks import check_at_least, check_dropout, check_widths
from graphrec.models.parts.idle import Idle

__all__ = ["MultDAE", "MultVAE"]


class MultDAE(VectorModel):
    """Denoising autoencoder with a multinomial likelihood (Liang et al., WWW 2018, section 2.2).

    The input is a user's items as a vector of length 1, with dropout; every hidden layer is a tanh. Train
    it with the multinomial loss −Σ_i x_i log softmax(f(x))_i, summed over a user's items.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at: a pair counts once.
    dim : int
        Width of the code.
    hidden : sequence of int
        Widths between input and code; the decoder mirrors them.
    dropout : float
        Probability of dropping an item from the input.
    """

    defaults: ClassVar[dict[str, Any]] = {"loss": "multinomial", "batch_size": 256, "lr": 1e-3, "epochs": 100}
    _codes = 1  # the encoder ends in the code itself

    def __init__(self, train: Interactions, *, dim: int = 200, hidden: Sequence[int] = (), dropout: float = 0.5) -> None:
        check_at_least("dim", dim, 1)
        widths = check_widths("hidden", hidden, may_be_empty=True)
        encoder, decoder = [*widths, self._codes * dim], [dim, *reversed(widths)]
        super().__init__(train, self.input_of(train.to_csr("ones")), first=encoder[0], last=decoder[-1])
        self.input_dropout = nn.Dropout(check_dropout("dropout", dropout))
        self.encoder = nn.ModuleList(_layer(a, b) for a, b in pairwise(encoder))
        self.decoder = nn.ModuleList(_layer(a, b) for a, b in pairwise(decoder))

    def input_of(self, histories: sparse.csr_matrix) -> sparse.csr_matrix:
        """Each row as ones divided by the square root of their number: length 1."""
        scaled = histories.copy()
        lengths = np.diff(scaled.indptr)
        scaled.data = np.repeat(np.maximum(lengths, 1) ** -0.5, lengths).astype(np.float32)
        return scaled

    def hidden(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The last hidden layer of the decoder (b, last)."""
        for layer in self.encoder:
            x = layer(x.tanh())
        return self._decode(x.tanh()), None

    def _decode(self, code: Tensor) -> Tensor:
        for layer in self.decoder:
            code = layer(code).tanh()
        return code


class MultVAE(MultDAE):
    """Variational autoencoder with a multinomial likelihood (Liang et al., WWW 2018, section 2.1).

    The encoder answers with mean and log-variance of a normal code. Training adds β times the divergence
    from N(0, 1), −½ Σ (1 + log σ² − μ² − σ²), mean over the users of a batch; ranking uses the mean.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at: a pair counts once.
    dim, hidden, dropout
        As in :class:`MultDAE`.
    beta : float
        Weight of the divergence after annealing (the paper's annealing cap).
    anneal_steps : int
        Number of training steps over which the weight grows linearly to `beta`; 0 for none. The paper has
        200,000 for data sets whose epochs are a hundred times as long as MovieLens-100K's.

    Attributes
    ----------
    steps : Tensor of int64
        Training steps so far; part of the state, so that training resumes under the same weight.
    """

    defaults: ClassVar[dict[str, Any]] = {"loss": "multinomial", "batch_size": 256, "lr": 1e-3, "epochs": 100}
    idle = (Idle("anneal_steps", beta=0),)
    _codes = 2  # mean and log-variance

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 200,
        hidden: Sequence[int] = (600,),
        dropout: float = 0.5,
        beta: float = 0.2,
        anneal_steps: int = 2000,
    ) -> None:
        check_at_least("beta", beta, 0)
        check_at_least("anneal_steps", anneal_steps, 0)
        super().__init__(train, dim=dim, hidden=hidden, dropout=dropout)
        self.beta = beta
        self.anneal_steps = anneal_steps
        self.register_buffer("steps", torch.tensor(0))
        self.steps: Tensor

    def hidden(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The last hidden layer of the decoder (b, last); mean and log-variance of the code (b, 2 · dim)."""
        for layer in self.encoder:
            x = layer(x.tanh())
        mean, log_variance = x.chunk(2, dim=-1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        return self._decode(code), x

    def auxiliary(self, step: Step) -> dict[str, Tensor]:
        """``kl``: β(step) times the mean divergence of the batch's users; counts the step."""
        assert isinstance(step.encoding.users, VectorRows)
        _, moments = step.encoding.users.distinct(step.batch.users)
        assert moments is not None
        if self.training:
            self.steps += 1
        kl = gaussian_kl(*moments.chunk(2, dim=-1))
        if not self.anneal_steps:
            return {"kl": self.beta * kl}
        # Counted where the model is: the host need not know.
        share = (self.steps.double() / self.anneal_steps).clamp(max=1.0)
        return {"kl": (self.beta * share).to(kl.dtype) * kl}


def _layer(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=torch.float32)
    nn.init.xavier_normal_(layer.weight)
    nn.init.normal_(layer.bias, std=0.001)
    return layer
