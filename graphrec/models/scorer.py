"""The contract of every model: what ranking needs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency
from graphrec.models.contributions import Explaining
from graphrec.models.parts.idle import Idle
from graphrec.models.scoring import Likeness, Scoring

__all__ = ["Scorer"]

_COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


class Scorer(nn.Module):
    """What ranking needs: scores of users, or of people never seen, with any range of items.

    Parameters
    ----------
    train : Interactions
        What the model is built from; it fixes the id space.

    Attributes
    ----------
    needs_training : bool
        Whether the model is trained step by step.
    personalised : bool
        Whether a user without any interaction cannot be served.
    reads_ratings : bool
        Whether ratings make a difference to the model itself; a loss may read them all the same.
    reads_weights : bool
        The same of weights: histories that it is given then hold them, divided by their mean over the training pairs.
    counts_alike : str
        What the model makes of the pairs with no regard to their weights, though its loss may read them: ``"the graph"``.
    starting_options : tuple of str
        Options of the constructor that only say where training starts. A loaded model is built without them.
    idle : tuple of Idle
        Options of the constructor that do nothing beside others: ``(Idle("rank", alpha=0),)``. A recommender refuses them where
        they are given. A subclass declares its own.
    """

    needs_training: ClassVar[bool] = False
    personalised: ClassVar[bool] = True
    reads_ratings: ClassVar[bool] = False
    reads_weights: ClassVar[bool] = False
    counts_alike: ClassVar[str] = ""
    starting_options: ClassVar[tuple[str, ...]] = ()
    idle: ClassVar[tuple[Idle, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, train: Interactions) -> None:
        super().__init__()
        if not isinstance(train, Interactions):
            raise InputError(f"{type(self).__name__} is built from Interactions, not from {type(train).__name__}.")
        if not len(train):
            raise InputError(f"{type(self).__name__} cannot be built from an empty table of interactions.")
        self.n_users = train.n_users
        self.n_items = train.n_items
        # The caller's ids: what tells two id spaces of one size apart.
        self.user_ids = train.user_ids
        self.item_ids = train.item_ids

    @classmethod
    def defaults_for(cls, train: Interactions) -> dict[str, Any]:
        """Options of fit that suit the model on this table: :attr:`defaults`, unless it depends on the table."""
        return cls.defaults

    def scoring(self) -> Scoring:
        """The model made ready for ranking, under the parameters that it has now."""
        raise NotImplementedError(f"{type(self).__name__} must define scoring()")

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of people who were not there in training, as :meth:`Scoring.users` would give them.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)
            Their interactions, with the values that the training data would have.

        Returns
        -------
        Tensor, shape (b, …)

        Raises
        ------
        InputError
            The model cannot take in new people.
        """
        raise InputError(f"{type(self).__name__} cannot take in people who were not there in training.")

    def likeness(self) -> Likeness:
        """The function from item indices (b,) to their similarities to all items (b, n_items)."""
        raise InputError(f"{type(self).__name__} has no notion of similar items.")

    def explaining(self) -> Explaining | None:
        """The function from a user and an item to what their score is a sum of; None where it is no such sum.

        Ranking then explains by leaving out one interaction at a time, where the model can :meth:`fold_in`. What takes time
        is done here, once: the function is kept for as long as the parameters are these.
        """
        return None

    def made_of(self) -> list[tuple[str, Scorer]]:
        """The models whose scores its own are made of, and what a message calls each; none unless it stands on others."""
        return []

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Scorer:
        """Move what torch moves, and the adjacencies that are plain attributes: they are no part of a model's state."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in list(vars(self).items()):
            if isinstance(value, Adjacency):
                setattr(self, name, value.to(fn(torch.empty(0, device=value.device, dtype=torch.float32)).device))
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Scorer:
        """As any module is copied, and its compressed sparse tensors too, which torch does not copy by itself."""
        for module in self.modules():
            for value in (*vars(module).values(), *module._buffers.values()):
                if isinstance(value, Tensor) and value.layout in _COMPRESSED:
                    memo.setdefault(id(value), value.detach().clone())
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__setstate__(copy.deepcopy(self.__reduce_ex__(4)[2], memo))  # type: ignore[no-untyped-call]
        return made

    def check_state(self) -> None:
        """Refuse a loaded state that the model's own code could not have left; for indices in buffers."""
