"""Several fitted recommenders as one, with weights chosen on validation."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.devices import device_of, resolve_device, turn
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import Evaluator, metric_of
from graphrec.models import Blend as BlendModel
from graphrec.models import Scorer
from graphrec.recommender import fitting
from graphrec.recommender.blend_weights import MemberScores, best_weights
from graphrec.recommender.recommender import Recommender, known_to_parts
from graphrec.recommender.refitting import check_refittable, refitted
from graphrec.recommender.seen_pairs import seen_pairs
from graphrec.recommender.state import State, as_given
from graphrec.recommender.tables import joined
from graphrec.recommender.telling import say_unknown_people
from graphrec.recommender.updating import extended, nothing_more, shown_after
from graphrec.training.choose import refuse_for_solved
from graphrec.training.signature import given, with_options

__all__ = ["Blend"]


class Blend(Recommender):
    """The weighted sum of fitted recommenders' scores; see :class:`graphrec.models.Blend` for how they are brought to a scale.

    Parameters
    ----------
    members : sequence of Recommender
        Fitted, each on the same training part.
    weights : sequence of float, optional
        A member's each; chosen by :meth:`fit` unless given.
    top : int
        Of the normalisation: the distance from a user's mean score to the mean of the `top` highest is 1.

    Examples
    --------
    >>> split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2, valid=0.1)
    >>> members = [gr.Recommender(name).fit(split.train) for name in ("itempop", "itemknn")]
    >>> blend = gr.Blend(members).fit(split.train, valid=split.valid)
    >>> len(blend.weights), round(sum(blend.weights), 4)
    (2, 1.0)
    """

    _blends = True

    def __init__(self, members: Sequence[Recommender], weights: Sequence[float] | None = None, top: int = 50) -> None:
        if isinstance(members, str | Recommender) or not isinstance(members, Sequence):
            raise InputError("Blend takes a list of fitted recommenders: Blend([a, b]).")
        if not members:
            raise InputError("Blend needs at least one fitted recommender.")
        for place, member in enumerate(members):
            if not isinstance(member, Recommender):
                raise InputError(f"member {place} of the blend must be a fitted Recommender, not {type(member).__name__}.")
            _check_fitted(place, member)
        super().__init__("blend", members=list(members), weights=_listed(weights), top=top)

    @property
    def members(self) -> list[Recommender]:
        """The recommenders that it was given; once it is fitted copies of those that it asks, as they were then."""
        return list(self.hyper["members"] if self._state is None else as_given(self._state.made_with)["members"])

    @property
    def weights(self) -> list[float]:
        """A number for each member, adding up to 1."""
        model = self.model
        assert isinstance(model, BlendModel)
        return [float(weight) for weight in model.weights.tolist()]

    def _told(self) -> dict[str, Any]:
        """With the weights that it has, chosen or given."""
        told = super()._told()
        return told if self._state is None else {**told, "weights": [round(weight, 4) for weight in self.weights]}

    @with_options("seed", "device", "progress")
    def fit(  # type: ignore[override]  # fewer metrics than a training
        self,
        train: Interactions,
        valid: Interactions | None = None,
        *,
        refit: bool = False,
        seen: Interactions | None = None,
        metric: str | None = None,
        **options: Any,
    ) -> Blend:
        """Choose the weights on validation; the members stay as they were fitted.

        Every mixture on a grid of the simplex is ranked (corners, which are the members alone, among them), then each weight
        is moved up and down in halved steps. The result is never worse on `valid` than the best member.

        Parameters
        ----------
        train : Interactions
            What the members were fitted on.
        valid : Interactions
            Without it the weights must have been given; beside given weights its pairs count as seen, and nothing else.
        refit : bool
            Fit the members anew on train and valid, each for the epochs that were its best, and keep the weights.
        seen : Interactions, optional
            As of :meth:`Recommender.fit`, beside what the members were given there.
        metric : str, optional
            What the weights are chosen by, one name with the length of a list; ``"ndcg@20"`` unless given (``"ndcg@n"`` of a
            smaller catalogue of n items).
        **options
            ``device``, ``seed`` and ``progress``. What else :meth:`Recommender.fit` takes is refused: nothing is trained here.

        Returns
        -------
        Blend
            This object.

        Raises
        ------
        InputError
            Nothing to choose the weights on, a metric that is none of a list, or members of another id space or that were
            trained on validation pairs; or, with refit, a member that cannot be fitted anew: trained in several stages, or with
            objects of the caller's own.
        """
        fitting.check_tables(train, valid)
        options = given(options)
        others = {name: options.pop(name, None) for name in ("callbacks", "checkpoint", "resume", "warm_start")}
        refuse_for_solved(self.name, BlendModel.reads, options, others)
        if valid is None and (refit or self.hyper["weights"] is None):
            raise InputError("a blend's weights are chosen on validation: pass valid, or give weights and refit=False.")
        if self.hyper["weights"] is not None and metric is not None:
            raise InputError("metric is what weights are chosen by, and this blend's were given: leave one of the two out.")
        device = resolve_device(options.get("device", "auto"))
        hyper = dict(self.hyper)
        members: list[Recommender] = [copy.copy(member) for member in hyper["members"]]
        for place, member in enumerate(members):
            _check_fitted(place, member)
            if not member.train.shares_ids_with(train):
                raise InputError(
                    f"member {place} of the blend ({member.name}) was fitted in another id space; make both from one table."
                )
        _say_fitted_elsewhere(members, train if valid is None else joined(train, valid), train)
        for member in members if refit else ():
            check_refittable(member)
        met = seen_pairs(train, seen, *(member._fitted.seen for member in members))
        models = [member.to(device).model for member in members]
        model = BlendModel(train, members=models, weights=hyper["weights"], top=hyper["top"]).to(device)
        if valid is not None:
            _check_not_trained_on(members, valid)
            if hyper["weights"] is None:
                say_unknown_people(train, valid, stacklevel=3)
                metric = metric_of(metric, train.n_items, "a blend's weights are chosen")
                model = _chosen(models, train, valid, metric, hyper["top"], options.get("seed", 0)).to(device)
        shown = train if valid is None else joined(train, valid)
        built_from = shown if refit else train
        if refit:
            members = hyper["members"] = [refitted(member, shown, str(device)) for member in members]
            models = [member.model for member in members]
            model = BlendModel(shown, members=models, weights=model.weights.tolist(), top=hyper["top"]).to(device)
        selected = valid is not None and hyper["weights"] is None
        made_with, know = as_given({**hyper, "members": members}), known_to_parts({"members": members})
        self.hyper, self._state = (
            hyper,
            State(model.eval(), made_with, built_from, shown, valid, selected, parts_know=know, seen=met),
        )
        return self

    def update(
        self,
        more: Interactions | None,
        *,
        seen: Interactions | None = None,
        callbacks: Sequence[object] = (),
        **options: Any,
    ) -> Blend:
        """Take in what has happened since, each member in its own way; the weights stay.

        Parameters
        ----------
        more, seen, callbacks
            As of :meth:`Recommender.update`.
        **options
            For the members that are trained; refused where there is none.

        Returns
        -------
        Blend
            This object. All members change, or none.

        Raises
        ------
        InputError
            As of :meth:`Recommender.update`, of any member.
        """
        with turn():
            state = self._fitted
            met = seen_pairs(state.built_from, seen, state.seen)
            members = [copy.copy(member) for member in self.members]
            if not any(member.kind.needs_training for member in members):
                refuse_for_solved(self.name, frozenset(), options, {"callbacks": callbacks})
            for member in members:
                given_on = {"callbacks": callbacks, **options} if member.kind.needs_training else {}
                member.update(more, seen=seen, **given_on)
            if all(new._state is old._state for new, old in zip(members, self.members, strict=True)):
                self._state = state if met is state.seen else replace(state, seen=met)
                return self
            more = nothing_more(state) if more is None else more
            table, wider = extended(state.built_from, more, seen)
            device = device_of(state.model)
            models = [member.to(device).model for member in members]
            model = BlendModel(table, members=models, weights=self.weights, top=state.made_with["top"]).to(device)
            hyper, shown = {**state.made_with, "members": members}, shown_after(state, wider, more, seen)
            self.hyper, self._state = (
                hyper,
                State(
                    model.eval(),
                    as_given(hyper),
                    table,
                    shown,
                    stage=state.stage + 1,
                    parts_know=known_to_parts(hyper),
                    seen=met,
                    chosen_before=state.chosen_on,
                ),
            )
            return self


def _listed(weights: Any) -> Any:
    """Weights as a list of its own; what is none, or has no order of members, as it is: the model refuses it."""
    if isinstance(weights, Mapping | Set):
        return weights
    try:
        return list(weights)
    except TypeError:
        return weights


def _check_fitted(place: int, member: Recommender) -> None:
    if member._state is None:
        raise InputError(f"member {place} of the blend ({member.name}) is not fitted yet; call fit first.")


def _chosen(models: Sequence[Scorer], train: Interactions, valid: Interactions, metric: str, top: int, seed: int) -> BlendModel:
    """The blend with the best weights: seen on candidates, and compared with its members on the whole ranking."""
    measure = Evaluator([metric], train)
    weights = best_weights(MemberScores(models, train, valid, metric, top, seed))
    corners = [BlendModel(train, members=models, weights=w, top=top) for w in np.eye(len(models)).tolist()]
    made = BlendModel(train, members=models, weights=weights.tolist(), top=top)
    return max((made, *corners), key=lambda blend: measure(blend, valid)[metric])


def _check_not_trained_on(members: Sequence[Recommender], valid: Interactions) -> None:
    """A member that knows the answers would get all the weight."""
    for place, member in enumerate(members):
        if not member.train.shares_ids_with(valid):
            continue
        if known := int(member.trained_on.has_keys(valid.keys).sum()):
            raise InputError(
                f"member {place} of the blend ({member.name}) was trained on {known:,} pairs of valid: fit it on train alone, "
                "and let the blend fit all members anew with refit=True."
            )


def _say_fitted_elsewhere(members: Sequence[Recommender], known: Interactions, train: Interactions) -> None:
    """Warn of members that know other pairs than the blend is told of: what they know is not what it is measured by."""
    for place, member in enumerate(members):
        beyond = int((~known.has_keys(member.trained_on.keys)).sum())
        without = int((~member.trained_on.has_keys(train.distinct_keys)).sum())
        said = []
        if beyond:
            said.append(f"{beyond:,} of its pairs are not there")
        if without:
            said.append(f"it does not know {without:,} of its pairs")
        if said:
            warnings.warn(
                f"member {place} of the blend ({member.name}) was not fitted on train: {', and '.join(said)}.", stacklevel=5
            )
