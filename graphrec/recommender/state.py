"""Everything that a fit leaves behind, in one piece."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.ids import find
from graphrec.data.interactions import Interactions
from graphrec.devices import device_of, plainly
from graphrec.distributed.group import Group
from graphrec.losses import OF_RANKINGS
from graphrec.models.base import Scorer
from graphrec.models.baselines.itempop import ItemPop
from graphrec.models.hybrids.blend import Blend
from graphrec.ranking.ranker import Ranker
from graphrec.ranking.shared_ranker import SharedRanker
from graphrec.recommender.tables import in_ids_of, joined

__all__ = ["State", "as_given", "parts_of", "with_pairs"]


@dataclass(frozen=True, eq=False)
class State:
    """A model and how it came about. A new one takes the place of the old at the end of a fit that succeeded.

    Attributes
    ----------
    model : Scorer
    made_with : mapping
        The constructor's arguments of the recommender at that time, see :func:`as_given`.
    built_from : Interactions
        What the model was built from: the graph, the histories.
    shown : Interactions
        Pairs that are not recommended again: all that any stage was trained or validated on.
    valid : Interactions or None
        The validation part of the latest fit.
    selected : bool
        Whether the weights were chosen on it.
    options : mapping
        How it was trained, as plain data; empty for a solved model.
    history : sequence of dict
        A row an epoch, over all stages.
    best_epoch : int or None
        Within the latest stage.
    stage : int
        How many fits went before, for a warm start.
    origin : mapping
        How the table was read and split, as plain data, where the command line did it; empty otherwise.
    device : str
        Where it was fitted, such as ``"cuda:0"``: where the model is at that time, unless told.
    parts_know : tuple of Interactions
        What the recommenders that the model stands on (members of a blend, a base) were trained on when it was made, and
        what its own weights learnt before and its tables do not have any more.
    dtypes : mapping of str to torch.dtype
        Of the model's tensors as they were fitted.
    seen : Interactions or None
        Pairs that nothing was learnt from and that are not recommended either, in an id space of their own. Figures are
        measured as if there were none.
    chosen_before : Interactions or None
        Pairs that something of it was chosen on before this fit: in an earlier stage, or before it was fitted anew.
    taught : Interactions or None
        Pairs that it was trained on, over all stages, where these are not those of `built_from`.
    rates_after : mapping
        The options ``lr`` and ``parameter_groups`` of an update, where the latest fit had a schedule; empty otherwise.
    """

    model: Scorer
    made_with: Mapping[str, Any]
    built_from: Interactions
    shown: Interactions
    valid: Interactions | None = None
    selected: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    best_epoch: int | None = None
    stage: int = 0
    origin: Mapping[str, Any] = field(default_factory=dict)
    parts_know: tuple[Interactions, ...] = ()
    device: str = ""
    dtypes: Mapping[str, torch.dtype] = field(default_factory=dict)
    seen: Interactions | None = None
    chosen_before: Interactions | None = None
    taught: Interactions | None = None
    rates_after: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.__dict__.update({"_lock": threading.Lock(), "_ranker": None, "_group": None, "_listing": None})
        self.__dict__["device"] = self.device or str(device_of(self.model))
        self.__dict__["dtypes"] = self.dtypes or {name: tensor.dtype for name, tensor in self.model.state_dict().items()}

    def rank_with(self, group: Group) -> None:
        """Rank together with the other processes of a group from now on, which must be asked the same."""
        with self.__dict__["_lock"]:
            self.__dict__.update({"_ranker": None, "_group": group})

    @plainly
    def on(self, device: torch.device) -> State:
        """The same on another device. The model is copied: others may hold it where it is, a blend for one."""
        if device_of(self.model) == device:
            return self
        there: dict[int, Any] = {}
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            there[id(tensor)] = copied = tensor.detach().to(device)
            if isinstance(tensor, torch.nn.Parameter):
                there[id(tensor)] = torch.nn.Parameter(copied, requires_grad=tensor.requires_grad)
        return replace(self, model=copy.deepcopy(self.model, there).to(device))

    @cached_property
    def members(self) -> list[State]:
        """Of a blend: what its members are, with the models that it asks; empty of others."""
        if not isinstance(self.model, Blend):
            return []
        known = [getattr(part, "_state", None) for part in self.made_with["members"]]  # none of a bare model
        return [
            replace(state, model=model) if isinstance(state, State) else State(model, {}, self.built_from, self.shown)
            for model, state in zip(cast("Iterable[Scorer]", self.model.members), known, strict=True)
        ]

    @property
    def ranker(self) -> Ranker:
        """The model made ready for questions: once, at the first of them, or anew if its parameters were changed."""
        ranker: Ranker | None = self.__dict__["_ranker"]
        if ranker is None or ranker.stale or not ranker.is_made_of(self.model):
            with self.__dict__["_lock"]:
                ranker = self.__dict__["_ranker"]
                if ranker is None or ranker.stale or not ranker.is_made_of(self.model):
                    group: Group | None = self.__dict__["_group"]
                    own = Ranker(self.model, self.shown) if group is None else SharedRanker(self.model, self.shown, group)
                    ranker = self.__dict__["_ranker"] = own
        return ranker

    @cached_property
    def left_out(self) -> Interactions:
        """Pairs that lists leave out: what was shown, and what was seen by people and of items that are known here."""
        return self.shown if self.seen is None else joined(self.shown, in_ids_of(self.built_from, self.seen))

    def seen_by_stranger(self, user: Any) -> npt.NDArray[np.int64]:
        """Items that somebody has seen who is in no table that the model was built from; ascending indices."""
        if self.seen is None:
            return np.zeros(0, np.int64)
        row, (indptr, indices) = int(self.seen.find_users([user])[0][0]), self.seen.structure
        if row < 0:
            return np.zeros(0, np.int64)
        places = find(self.built_from._item_lookup, self.seen.item_ids[indices[indptr[row] : indptr[row + 1]]], "item")
        return np.unique(places[places >= 0])

    @property
    def listing(self) -> Ranker:
        """The ranker for lists that somebody reads, which leaves out what was seen, too."""
        ranker = self.ranker
        if self.seen is None:
            return ranker
        made: tuple[Ranker, Ranker] | None = self.__dict__["_listing"]
        if made is None or made[0] is not ranker:  # two threads may both make it: they make the same
            made = self.__dict__["_listing"] = ranker, ranker.leaving_out(self.left_out)
        return made[1]

    @property
    def scores_are_ratings(self) -> bool:
        """Whether a score may be read as a rating; of a loss of one's own nothing is known, and it is believed to be one."""
        loss = self.options.get("loss")
        of_model = loss is None or str(loss).startswith("graphrec.")  # no loss, or an objective that is the model's own
        return self.model.reads_ratings if of_model else loss not in OF_RANKINGS

    @cached_property
    def trained_on(self) -> Interactions:
        """Pairs that the model knows: those of its own stages, and those that only the recommenders it stands on know."""
        return self.own_pairs if self.lent is None else joined(self.own_pairs, self.lent)

    @cached_property
    def lent(self) -> Interactions | None:
        """Pairs that only the recommenders that the model stands on know, or weights from before; None where there are none."""
        own, lent = self.own_pairs, None
        for theirs in self.parts_know:
            if theirs is not own:
                theirs = in_ids_of(own, theirs)
                known = own.has_keys(theirs.keys) if lent is None else own.has_keys(theirs.keys) | lent.has_keys(theirs.keys)
                if not known.all():
                    more = theirs.select(np.flatnonzero(~known))
                    lent = more if lent is None else joined(lent, more)
        return lent

    @property
    def learnt(self) -> dict[str, Any]:
        """What the weights come from, as plain data: pairs, choices, how they were trained and how long; not where."""
        how = {name: value for name, value in self.options.items() if name not in ("progress", "device")}
        chosen = self.chosen_on
        pairs = {"trained on": self.trained_on.fingerprint, "chosen on": None if chosen is None else chosen.fingerprint}
        return {**pairs, "options": how, "epochs": len(self.history)}

    def after(self, earlier: State) -> State:
        """The same with weights that went on from those of an earlier state: whatever is taken back, they have learnt it."""
        before = in_ids_of(self.built_from, earlier.trained_on)
        beyond = np.flatnonzero(~self.trained_on.has_keys(before.keys))
        return replace(self, parts_know=(*self.parts_know, before.select(beyond))) if len(beyond) else self

    @cached_property
    def chosen_on(self) -> Interactions | None:
        """Pairs that it, or a recommender that it stands on, was chosen on, now or before; None where nothing was chosen."""
        known = self.valid if self.selected else None
        for theirs in (self.chosen_before, *(part.chosen_on for part in parts_of(self.made_with))):
            if theirs is not None and theirs is not known:
                known = with_pairs(known, in_ids_of(self.built_from, theirs))
        return known

    @property
    def chosen_elsewhere(self) -> Interactions | None:
        """Those of them that are not of its own validation part; None where there are none."""
        chosen = self.chosen_on
        if chosen is None or self.valid is None or not self.selected:
            return chosen
        if chosen is self.valid:
            return None
        beyond = np.flatnonzero(~self.valid.has_keys(chosen.keys))
        return chosen.select(beyond) if len(beyond) else None

    @property
    def own_pairs(self) -> Interactions:
        """Pairs that the model was trained on in all of its stages."""
        return self.built_from if self.taught is None else self.taught

    @cached_property
    def has_nothing(self) -> npt.NDArray[np.bool_]:
        """Which users have no interaction in what the model was built from, shape (n_users,)."""
        nothing: npt.NDArray[np.bool_] = np.diff(self.built_from.structure[0]) == 0
        return nothing

    @cached_property
    def popularity(self) -> Ranker:
        """Numbers of users as scores, for people of whom nothing is known."""
        model = ItemPop(self.built_from)
        model.solve()
        return Ranker(model)

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"origin": {}, "device": "", "dtypes": {}, "rates_after": {}, "taught": None, **state})
        self.__post_init__()


def parts_of(options: Mapping[str, Any]) -> Iterator[State]:
    """States of the fitted recommenders among some options."""
    for value in options.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(state := getattr(one, "_state", None), State):
                yield state


def with_pairs(known: Interactions | None, more: Interactions) -> Interactions:
    """A table with the pairs of another that it does not have; itself where it has all."""
    if known is None:
        return more
    beyond = np.flatnonzero(~known.has_keys(more.keys))
    return joined(known, more.select(beyond)) if len(beyond) else known


def as_given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor's arguments that later changes of theirs do not reach.

    A recommender among them is copied: it keeps the state that it has now when the caller's own is fitted anew.
    """
    return {name: _kept(value) for name, value in options.items()}


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(one) for one in value]
    return copy.copy(value) if isinstance(getattr(value, "_state", None), State) else value
