"""A blend: the weighted sum of several models' scores, each brought to one scale for each user."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.devices import device_of
from graphrec.errors import InputError
from graphrec.models.base import Scorer, Solved
from graphrec.models.hybrids.levelled import LevelledSum, add_levelled
from graphrec.models.parts.checks import check_at_least
from graphrec.models.scoring import Likeness, MadeOnce, Scoring

__all__ = ["Blend", "Levelled"]


class Blend(Solved):
    """score(u, i) = Σ_m w_m (s_m(u, i) − μ_m(u)) / (t_m(u) − μ_m(u)), over the members m.

    s_m is a member's own score, μ_m(u) its mean over all items for the user, and t_m(u) the mean of the highest `top` of
    them: what the members disagree about in scale falls out, for each user by itself. A member with the weight 0 is not asked;
    where only one is, its scores are the blend's, as they are.

    Parameters
    ----------
    train : Interactions
    members : sequence of Scorer
        Fitted models of the same users and items. They are shared, not copied.
    weights : sequence of float, optional
        w, not negative, not all zero, divided by their sum; equal unless given.
    top : int
        A quarter of the items, if that is less.

    Attributes
    ----------
    weights : Tensor of float32, shape (n_members,)
    levels_one : bool
        Whether the scores of a single member are brought to the scale, too.

    Raises
    ------
    InputError
        No members, members of other users or items, or impossible weights.
    """

    reads_ratings: ClassVar[bool] = True  # where its members do not, they have said so
    reads_weights: ClassVar[bool] = True
    levels_one: ClassVar[bool] = False
    first_place: int = 0

    def __init__(
        self, train: Interactions, *, members: Sequence[Scorer], weights: Sequence[float] | None = None, top: int = 50
    ) -> None:
        super().__init__(train)
        check_at_least("top", top, 1)
        _check_members(train, members)
        self.members = nn.ModuleList(members)
        # The highest must be few beside the rest: with nearly all of them the distance from the mean is next to nothing.
        self.top = min(top, max(1, self.n_items // 4))
        given = np.ones(len(members)) if weights is None else _checked(weights, len(members))
        self.register_buffer("weights", torch.from_numpy(given / given.sum()).float().to(device_of(*members)))
        self.weights: Tensor

    def solve(self) -> None:
        """Nothing: the members are fitted, and the weights are given or chosen on validation."""

    def scoring(self) -> Scoring:
        """Whole rows, from the members' own made ready; a single member's own where it is not brought to the scale."""
        asked: list[tuple[float, Any]] = [(w, m) for w, m in zip(self.weights.tolist(), self.members, strict=True) if w > 0]
        if len(asked) == 1 and not self.levels_one:
            only: Any = copy.copy(asked[0][1].scoring())
            only.similarity = MadeOnce(self.likeness)
            alone: Scoring = only
            return alone
        weights, members = [w for w, _ in asked], [m for _, m in asked]
        return LevelledSum(weights, members, self.top, self.n_items, self.weights.device, self.likeness)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Scores (b, n_items) of people who were not there in training, where every member that is asked can take them in."""
        scoring: Scoring = self.scoring()
        return scoring.scores(scoring.people(histories), slice(None))

    def likeness(self) -> Likeness:
        """The members' own similarities, blended like scores: (b, n_items). Members without such a notion are left out."""
        able: list[tuple[float, Likeness]] = []
        for weight, member in zip(self.weights.tolist(), self.members, strict=True):
            try:
                able += [(weight, member.likeness())] if weight > 0 else []  # type: ignore[operator]
            except InputError:
                continue
        if not able:
            raise InputError("Blend has no notion of similar items: none of its members has one.")
        total = sum(weight for weight, _ in able)

        def similarity(index: Tensor) -> Tensor:
            out = torch.zeros(len(index), self.n_items, device=self.weights.device, dtype=torch.float32)
            for weight, like in able:
                add_levelled(like(index).float().contiguous(), self.top, weight / total, out)
            return out

        return similarity

    def made_of(self) -> list[tuple[str, Scorer]]:
        """The members that are asked."""
        members: list[tuple[float, Any]] = list(zip(self.weights.tolist(), self.members, strict=True))
        named = [
            (f"member {place} of the blend ({type(m).__name__})", w, m)
            for place, (w, m) in enumerate(members, self.first_place)
        ]
        return [(name, member) for name, weight, member in named if weight > 0]

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The weights alone: members are saved as recommenders of their own."""
        prefix, whole = kwargs.get("prefix", ""), super().state_dict(*args, **kwargs)
        for name in [name for name in whole if name.startswith(f"{prefix}members.")]:
            del whole[name]
        return whole

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take the weights; the members stay as they are."""
        found = super().load_state_dict(state_dict, False, assign)
        lacking = [name for name in found.missing_keys if not name.startswith("members.")]
        if strict and (wrong := [*lacking, *found.unexpected_keys]):
            raise RuntimeError(f"only one of the blend and the state has {wrong[0]}")
        return found

    def check_state(self) -> None:
        """Refuse weights that no blend has."""
        _checked(self.weights.tolist(), len(self.members))


def _check_members(train: Interactions, members: Sequence[object]) -> None:
    if isinstance(members, str) or not isinstance(members, Sequence) or not members:
        raise InputError("a blend needs at least one member: Blend([recommender, …]).")
    for place, member in enumerate(members):
        if not isinstance(member, Scorer):
            raise InputError(f"member {place} of the blend is no fitted recommender but {type(member).__name__}.")
        same = np.array_equal(member.user_ids, train.user_ids) and np.array_equal(member.item_ids, train.item_ids)
        if not same:
            raise InputError(
                f"member {place} of the blend ({type(member).__name__}) has another id space ({member.n_users:,} users, "
                f"{member.n_items:,} items) than train ({train.n_users:,}, {train.n_items:,}): fit all on parts of one split."
            )


def _checked(weights: Sequence[float], n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The weights as an array, if they are what weights are."""
    try:
        given = np.asarray(weights)
        given = given.astype(np.float64) if given.dtype.kind in "iuf" else np.zeros(0)
    except (TypeError, ValueError):
        given = np.zeros(0)
    if given.shape != (n,) or (given < 0).any() or not 0 < given.sum() < np.inf:
        raise InputError(f"weights must be {n} numbers of at least 0, a member's each, and not all 0; got {weights!r}.")
    return given


class Levelled(Blend):
    """One model's scores on the scale of a blend, in which it has some place."""

    levels_one = True

    def __init__(self, train: Interactions, model: Scorer, top: int, place: int) -> None:
        super().__init__(train, members=[model], top=top)
        self.first_place = place
