"""The two contracts of a model: what ranking needs, and what training needs on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.pair_dot import pair_dot
from graphrec.losses.log_sum_exp import Product
from graphrec.models.encoding import Encoding, Gathered, Table
from graphrec.models.factors import Factors, OwnedRows, RowTables
from graphrec.models.parts.columns import Columns
from graphrec.models.parts.fold_in import either, guessed, stepped
from graphrec.models.parts.together import Together
from graphrec.models.scorer import Scorer
from graphrec.models.scoring import (
    DotProduct,
    Likeness,
    MadeOnce,
    People,
    Scoring,
    TableScoring,
    as_evaluated,
    cosines,
    score_all_pairs,
)
from graphrec.sampling import PairBatch, UserBatch

__all__ = ["Model", "Scorer", "Solved", "Step", "encoding_of"]


class Step(NamedTuple):
    """What one training step has looked at, for a model's extra losses.

    Attributes
    ----------
    encoding : Encoding
    rows : Gathered or None
        The rows that the loss gathered: the batch's users, and its items and then its negatives, of which those over whole
        users take each distinct one once. None for a loss over whole rows of scores.
    batch : PairBatch or UserBatch
        On the model's device, with its negatives.
    epoch : int
        From 1.
    scores : tuple of Tensor, or None
        What the loss compares, for one of pairs and negatives that were drawn: the pairs' scores (b,) and those of the
        negatives (b, k).
    """

    encoding: Encoding
    rows: Gathered | None
    batch: PairBatch | UserBatch
    epoch: int
    scores: tuple[Tensor, Tensor] | None = None


class Model(Scorer, DotProduct):
    """What training needs on top: an encoder of users and items. A new model needs a constructor and :meth:`encode`.

    Ranking follows from it: the items' rows are computed once and the users' rows are kept, or computed from their
    histories where the model says so.

    As in PyTorch, what is kept of a model (its best epoch, checkpoints, saved runs) are its parameters and persistent buffers:
    its ``state_dict``. The rest has to follow from the constructor's arguments alone; what changes in training has to be a
    buffer, ``self.register_buffer("name", tensor)``.

    Parameters
    ----------
    train : Interactions
        What the model is built for; it fixes the id space and, for graph models, the graph.

    Attributes
    ----------
    defaults : dict
        Options of ``Recommender.fit`` that suit this model, used where the caller names none.
    dot_product : bool
        Whether :meth:`score` is the dot product of two rows, which losses may then compute in a cheaper way. A class
        that defines `score` or `score_all` is taken for one where it is not, unless it says so itself. Where it defines
        `score` only, `score_all` asks it for every pair.
    ranks_as_it_trains : bool
        Whether ranking scores are those that :meth:`encode` and :meth:`score` give; False with an
        :meth:`encode_for_ranking` that adds to them.
    users_from_histories : bool
        Whether a user's row is made of the user's interactions: such rows are computed when they are asked for.
    l2_on : {"ego", "propagated"}
        Which rows :meth:`penalty` looks at.
    for_ratings : str
        What of its options makes no sense under a loss that reads no ratings, as it is written: such a fit is refused.
    extras_by_scores : bool
        Whether an :meth:`auxiliary` of its own leaves ``step.rows.items`` alone: many negatives then need no row each.
    sparse_gradients : bool
        Whether look-ups give sparse gradients, which dense optimisers refuse.
    columns : Columns
        Which columns of its tables are here; some of them while several processes train it.

    Examples
    --------
    >>> class Mine(gr.models.Model):
    ...     def __init__(self, train, *, dim=8):
    ...         super().__init__(train)
    ...         self.users, self.items = (gr.models.embedding(n, dim) for n in (self.n_users, self.n_items))
    ...
    ...     def encode(self):
    ...         return gr.models.Encoding(gr.models.Table(self.users), gr.models.Table(self.items))
    >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
    >>> gr.Recommender(Mine, dim=4).fit(liked, epochs=2, progress=False).recommend(0, k=2)["rank"].tolist()
    [1, 2]
    """

    needs_training: ClassVar[bool] = True
    ranks_as_it_trains: bool = True
    users_from_histories: bool = False
    l2_on: str = "ego"
    for_ratings: str = ""
    extras_by_scores: bool = False
    sparse_gradients: bool = False
    columns: Columns = Columns()
    _people: People | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # From where each name comes: what a mixin brings along is the class's own as what stands in its body.
        place = {name: at for at, parent in reversed([*enumerate(cls.__mro__)]) for name in vars(parent)}
        if min(place["score"], place["score_all"]) < place["dot_product"]:
            cls.dot_product = False
        if place["score"] < place["score_all"]:
            cls.score_all = score_all_pairs  # type: ignore[assignment, method-assign]  # the inherited one has another score
        elif place["score_all"] < place["score"]:
            raise InputError(f"{cls.__name__} defines score_all and inherits score, which would be another one: define both.")
        for declaration, speaks_of in _DECLARED.items():
            if min(place.get(name, len(place)) for name in speaks_of) < place[declaration]:
                setattr(cls, declaration, getattr(Model, declaration))

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        self._train = train

    def row_tables(self) -> RowTables | None:
        """Parameters that a training step reads only by the rows of its users and items; None if there are no such.

        Optimisers that can then touch these rows only. A class that defines `encode`, `penalty` or `auxiliary` is taken for one
        without such tables, unless it says so itself.
        """
        return None

    def column_tables(self) -> tuple[nn.Parameter, ...] | None:
        """All parameters, if several processes may each train some of their columns; None otherwise.

        Nothing in training may then couple the columns but scores, which are dot products or cosines of rows, the usual
        penalty, and what goes through :attr:`columns`. A class that defines any of the methods from which training computes a
        loss is taken for one where it is not so, unless it says so itself.
        """
        return None

    def owned_rows(self) -> OwnedRows | None:
        """Tables of which several processes may each have some rows, with all that belongs to them; None if there are no such.

        The score of a pair must then depend on its two rows and on parameters that are no tables, and nothing on further losses
        or on another penalty than the usual one. Dimensions may be mixed. A class that defines `encode`, `penalty` or
        `auxiliary` is taken for one without such tables, unless it says so itself.
        """
        return None

    def factors(self) -> Factors | None:
        """The tables whose dot product is the score in training, if nothing else is; None otherwise.

        Steps of pairwise losses are then taken without autograd. A class that defines any of the methods from which training
        computes a loss is taken for one where it is not so, unless it says so itself.
        """
        return None

    def sampling_graph(self) -> SamplingGraph | None:
        """What neighbours are drawn from, if a step can be taken over some of them (the option ``fanout``); None otherwise.

        :meth:`encode_sampled` goes with it. A class that defines `encode` or `auxiliary` is taken for one where it cannot,
        unless it says so itself.
        """
        return None

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """As :meth:`encode`, over drawn neighbours, for the nodes of one batch: other rows are not asked for."""
        raise NotImplementedError(f"{type(self).__name__} must define encode_sampled()")

    def encode(self) -> Encoding:
        """Representations of all users and items; called once per training step.

        Examples
        --------
        A subclass goes on from the rows of its parent, ``full()`` of each side; a penalty looks at the new rows then.

        >>> class Gated(gr.models.LightGCN):
        ...     def __init__(self, train, *, dim=8, layers=2):
        ...         super().__init__(train, dim=dim, layers=layers)
        ...         self.gate = torch.nn.Parameter(torch.ones(dim))
        ...
        ...     def encode(self):
        ...         rows = super().encode()
        ...         return gr.models.Encoding(gr.models.Table(rows.users.full() * self.gate), rows.items)
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> gr.Recommender(Gated).fit(liked, epochs=2, progress=False).recommend(0, k=2)["rank"].tolist()
        [1, 2]
        """
        raise NotImplementedError(f"{type(self).__name__} must define encode()")

    def encode_for_ranking(self) -> Encoding:
        """As :meth:`encode`, with what counts when ranking and not when training; the same unless overridden."""
        return self.encode()

    def score_pairs(self, u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Scores of listed pairs of rows, without a copy of a row for each pair where the score is the dot product.

        Parameters
        ----------
        u, v : Tensor, shapes (a, d) and (m, d)
        left, right : Tensor of int64, shape (e,)
            Rows of `u` and of `v`.

        Returns
        -------
        Tensor, shape (e,)
        """
        if self.dot_product:
            return pair_dot(u, v, left, right)
        return self.score(F.embedding(left, u), F.embedding(right, v))

    def score_matrix(self, u: Tensor, items: Tensor) -> Tensor | Product:
        """:meth:`score_all` for a loss: the product is left to the loss where the score is the dot product."""
        return Product(u, items) if self.dot_product else self.score_all(u, items)

    def penalty(self, rows: Gathered) -> Tensor:
        """Half the squared norm of the looked-at rows, per example: ½‖·‖² / b (LightGCN, eq. 15).

        Parameters
        ----------
        rows : Gathered
            One training step's rows; with b users and (1 + k)·b items every row counts once.

        Returns
        -------
        Tensor, scalar
        """
        u, i = (rows.ego_users, rows.ego_items) if self.l2_on == "ego" else (rows.users, rows.items)
        return (u.square().sum() + i.square().sum()) / (2 * len(u))

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """Further losses of a training step (contrastive views and the like).

        Parameters
        ----------
        step : Step

        Returns
        -------
        mapping of str to Tensor, scalars
            Added to the loss, weighted as they are; each has a column of its own in the history. None unless overridden.
        """
        return {}

    def never_begun(self, epochs: int) -> str:
        """A sentence on what had not begun when a training ended after so many epochs; empty where there is nothing."""
        return ""

    def scoring(self) -> Scoring:
        """Tables of the model in evaluation mode; see :class:`graphrec.models.scoring.TableScoring`."""
        model = as_evaluated(self)
        with torch.no_grad():
            return model.scoring_of(encoding_of(model, model.encode_for_ranking()))

    def scoring_of(self, z: Encoding) -> Scoring:
        """As :meth:`scoring`, of an encoding that is there already; for a view of the model, which no training changes."""
        items = z.items.full().detach()
        _check_rows(self, "items", items, self.n_items)
        users = z.users if self.users_from_histories else Table(z.users.full().detach())
        self._people = MadeOnce(self.folding)
        return TableScoring(self, users, items, self.likeness, self.fold_in)

    def folding(self) -> People:
        """What :meth:`fold_in` does, with all that does not depend on the histories made ready.

        Returns
        -------
        callable
            From histories (b, n_items) to rows (b, d). It is asked without gradients and must change nothing. Unless a model
            knows better, a row follows from the mean of the items' rows as it does for trained users
            (:func:`graphrec.models.parts.fold_in.guessed`); with ratings it is found by gradient steps with everything else
            fixed (:func:`graphrec.models.parts.fold_in.stepped`).
        """
        return either(MadeOnce(lambda: stepped(self)), self.guessing())

    def guessing(self) -> People:
        """Rows from the mean of the rows of the items met, whatever their ratings."""
        z = self.encode_for_ranking()
        return guessed(z.items.full(), z.users.full(), self._train.to_csr("ones"))

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of people who were not there in training; the model stays as it is.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)
            Their interactions, with the values that the training data would have: ones, or ratings.

        Returns
        -------
        Tensor, shape (b, d)
            To be ranked like the rows of known users.

        Raises
        ------
        InputError
            Another number of columns, or the model cannot take in new people.
        """
        if histories.shape[1] != self.n_items:
            raise InputError(f"histories must have a column for each of {self.n_items:,} items, got {histories.shape[1]:,}.")
        # Not under inference mode: what is kept for later histories may stand in a gradient.
        with torch.inference_mode(False), torch.no_grad():
            people = self._people or as_evaluated(self).folding()
            return people(sparse.csr_matrix(histories))

    def likeness(self) -> Likeness:
        """Cosine of the items' rows unless a model knows better."""
        return cosines(self.encode().items.full())


class Solved(Scorer):
    """A model that is computed from the training data instead of being trained step by step.

    Subclasses register buffers in the constructor (so that they can be saved) and fill them in :meth:`solve`.

    Attributes
    ----------
    reads : frozenset of str
        Options of ``Recommender.fit`` that may be given; every other one is refused.
    solved_in_parts : bool
        Whether several processes each do a part of :meth:`solve`, which then looks at `together`. Else one of them solves
        the model for all.
    together : Together or None
        The processes that solve it now, where they are several.
    """

    # A seed and silence are promised where nothing is drawn and nothing shown, too.
    reads: ClassVar[frozenset[str]] = frozenset({"seed", "progress", "device"})
    solved_in_parts: ClassVar[bool] = False
    together: Together | None = None

    def solve(self) -> None:
        """Compute the buffers from the training data."""
        raise NotImplementedError(f"{type(self).__name__} must define solve()")

    @property
    def full_rank(self) -> int:
        """The most that the table's rank can be."""
        return min(self.n_users, self.n_items)

    def at_full_rank(self) -> str:
        """What becomes of a model whose ``rank`` is all that the table has, in words; empty where it is less, or harmless."""
        return ""


# What a class may declare, and the methods of which the declaration speaks.
_DECLARED = {
    "row_tables": {"encode", "penalty", "auxiliary"},
    "column_tables": {"encode", "score", "score_all", "score_pairs", "score_matrix", "penalty", "auxiliary"},
    "sampling_graph": {"encode", "auxiliary"},
    "owned_rows": {"encode", "penalty", "auxiliary"},
    "factors": {"encode", "score", "score_all", "penalty", "auxiliary"},
    "extras_by_scores": {"auxiliary"},
    "explaining": {"encode", "encode_for_ranking", "score", "score_all"},
}


def encoding_of(model: Model, encoding: object) -> Encoding:
    """What ``encode()`` returned, if it is what the contract says."""
    if not isinstance(encoding, Encoding):
        raise InputError(f"{type(model).__name__}.encode() must return an Encoding, got {type(encoding).__name__}.")
    for what, rows, n in (("users", encoding.users, model.n_users), ("items", encoding.items, model.n_items)):
        if isinstance(rows, Table):
            _check_rows(model, what, rows.weight, n)
    if type(model).score is DotProduct.score and isinstance(encoding.users, Table) and isinstance(encoding.items, Table):
        widths = encoding.users.weight.shape[1], encoding.items.weight.shape[1]
        if widths[0] != widths[1]:
            raise InputError(
                f"{type(model).__name__}.encode() gives users of {widths[0]} and items of {widths[1]} dimensions, "
                "of which there is no dot product; make them equal, or override score and score_all."
            )
    return encoding


def _check_rows(model: Model, what: str, rows: Tensor, n: int) -> None:
    if rows.dim() != 2 or len(rows) != n:
        raise InputError(
            f"{type(model).__name__}.encode() gives {what} of shape {tuple(rows.shape)}; "
            f"there must be a row for each of the {n:,} {what}."
        )
