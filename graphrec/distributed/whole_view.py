"""What rankings see of a model whose tables are shared: rows that were gathered, and the model's own way to score them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphrec.models.base import Model, Scorer
from graphrec.models.encoding import Encoding
from graphrec.models.scoring import Scoring

__all__ = ["WholeView"]


class WholeView(Scorer):
    """A view of a shared model; questions about people never seen, and about likeness, are not for it.

    Parameters
    ----------
    model : Model
        In evaluation mode.
    encoding : Encoding
        What the process makes of what it has.
    users, items : Tensor, shapes (n_users, d) and (n_items, d)
        Whole rows of all, in place of :attr:`Encoding.before_lengths`.
    """

    def __init__(self, model: Model, encoding: Encoding, users: Tensor, items: Tensor) -> None:
        nn.Module.__init__(self)  # the id space is the model's
        self.n_users, self.n_items, self.user_ids, self.item_ids = model.n_users, model.n_items, model.user_ids, model.item_ids
        with torch.no_grad():
            self._made = model.scoring_of(encoding.over(users, items))

    def scoring(self) -> Scoring:
        return self._made
