"""What a user of the library holds: a model by name, fitted, moved, brought up to date, reported on and saved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch

from graphrec.compiling import compiling_told
from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.devices import resolve_device, turn
from graphrec.distributed.group import Group, joined
from graphrec.errors import InputError, check_flag, check_path, unknown_name
from graphrec.evaluation.report import Report
from graphrec.html_table import html_table
from graphrec.models import COMPOSED, MODELS, Blend, Scorer, Solved
from graphrec.models.parts.checks import checked_options
from graphrec.models.parts.idle import refuse_idle
from graphrec.recommender import fitting, updating
from graphrec.recommender.parameters import Parameters
from graphrec.recommender.plan import Plan
from graphrec.recommender.seen_pairs import seen_pairs
from graphrec.recommender.state import State, as_given
from graphrec.recommender.stored import Stored
from graphrec.recommender.vectors import Vectors
from graphrec.report.page import write_page
from graphrec.training.choose import choose, refuse_for_solved, say_left_out
from graphrec.training.fingerprint import as_json, of_table
from graphrec.training.keywords import FitKeywords
from graphrec.training.options import FitOptions
from graphrec.training.signature import given, with_options

__all__ = ["NAMED", "Recommender"]

NAMED = {**MODELS, **COMPOSED}
"""Every model that has a name."""


class Recommender(Vectors, Parameters, Stored):
    """A model by name or class, with its hyper-parameters; nothing is built before :meth:`fit`.

    Parameters
    ----------
    model : str or type
        A name of ``graphrec.models.MODELS`` or a subclass of :class:`~graphrec.models.base.Model`. Blends are made by
        :class:`graphrec.Blend`.
    **hyper
        Keyword arguments of the model's constructor. An unknown one is refused with the nearest name, and by :meth:`fit` one
        that does nothing beside the others (``rank`` of gfcf with ``alpha=0``), unless it is the default. Where it wants a
        trained model (``base`` of a hybrid, ``gmf`` of NeuMF) a fitted recommender may stand.

    Attributes
    ----------
    model : Scorer
        After :meth:`fit`.
    history : DataFrame
        A row per epoch: loss, learning rate, seconds and, where it was evaluated, validation metrics.
    best_epoch : int or None
        The epoch whose weights are kept; None when there was no validation part.
    table : DataFrame or None
        Every candidate of the search that found it.
    titles : Series or None
        Names of items by their ids, saved with the recommender; those of the command line's ``--items``.

    Examples
    --------
    >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
    >>> rec = gr.Recommender("mf", dim=4).fit(liked, epochs=5, seed=0, progress=False)
    >>> rec
    Recommender('mf', dim=4): fitted on Interactions(7 pairs of 3 users and 4 items)
    >>> sorted(rec.recommend(0, k=2)["item_id"])
    [2, 3]
    >>> gr.Recommender("mf", factors=4)
    Traceback (most recent call last):
    graphrec.errors.InputError: unknown option of model mf 'factors'; here it is called 'dim'.
    """

    _blends: ClassVar[bool] = False

    def __init__(self, model: str | type[Scorer], **hyper: Any) -> None:
        if isinstance(model, str):
            if model not in NAMED:
                raise _no_model(model)
            self.name, self.kind = model, NAMED[model]
        else:
            if not (isinstance(model, type) and issubclass(model, Scorer)):
                raise InputError(f"model must be a name or a subclass of graphrec.models.Model, got {model!r}.")
            own = next((name for name, kind in NAMED.items() if kind is model), None)
            self.name, self.kind = own or f"{model.__module__}:{model.__qualname__}", model
        if self.kind is Blend and not self._blends:  # the weights would be equal ones: nothing here chooses them
            raise InputError("a blend is made by graphrec.Blend([a, b]) of fitted recommenders; Recommender cannot make one.")
        of_fit = self.kind.reads if issubclass(self.kind, Solved) else FitOptions.names()
        self.hyper = checked_options(self.kind, self.name, hyper, of_fit)
        self.fit_defaults: dict[str, Any] = {}
        self._state: State | None = None
        self.table: pd.DataFrame | None = None

    def __repr__(self) -> str:
        state = self._state
        hyper = "".join(f", {name}={value!r}" for name, value in self._told().items())
        fitted = "not fitted" if state is None else f"fitted on {state.built_from!r}"
        return f"Recommender({self.name!r}{hyper}): {fitted}"

    def _told(self) -> dict[str, Any]:
        """The model's options, for the eye."""
        return dict(self.hyper if self._state is None else self._state.made_with)

    def _repr_html_(self) -> str:
        """What a notebook shows: the model, its options, what it was fitted on, and the end of its history."""
        state = self._state
        if state is None:
            return html_table(f"{self.name}, not fitted", dict(self.hyper))
        told = {**self._told(), "fitted on": repr(state.built_from)}
        told |= {"fit device": state.device, "validation pairs": 0 if state.valid is None else len(state.valid)}
        told |= {} if state.best_epoch is None else {"best epoch": state.best_epoch}
        return html_table(
            f"{self.name}, fitted", told, *([pd.DataFrame(state.history[-3:])] if state.history else []), index=False
        )

    # ---- training -----------------------------------------------------------------------------

    @with_options()
    def fit(
        self,
        train: Interactions,
        valid: Interactions | None = None,
        *,
        callbacks: Sequence[object] = (),
        checkpoint: str | Path | None = None,
        resume: bool = False,
        refit: bool = False,
        warm_start: bool = False,
        distributed: bool = False,
        seen: Interactions | None = None,
        **options: Unpack[FitKeywords],
    ) -> Recommender:
        """Train, or solve in closed form.

        Fits and updates of several threads take turns: what is drawn comes from torch's generators, which the process has once.

        Parameters
        ----------
        train : Interactions
        valid : Interactions, optional
            Held-out pairs in the same id space. The epoch that is best on them is kept, and they count as
            seen when recommending.
        callbacks : sequence
            Objects with any of the methods of :class:`graphrec.training.callbacks.Callback`.
        checkpoint : path, optional
            Folder to which the whole training state is written after each epoch. One that has an older state is said, and
            replaced after the first epoch, unless `resume` is true.
        resume : bool
            Go on from the state in `checkpoint`, bit for bit as if training had not stopped; where there is none yet, that is
            said, and training begins. All else is given again, `seen` among it.
        refit : bool
            Once the best epoch is chosen on `valid`, train anew on train and valid for that many epochs, under the same
            learning-rate schedule.
        warm_start : bool
            Go on from the present weights with a new optimiser: a further stage of training. The model keeps what it was
            built from (its graph, for one). The history goes on, too; `best_epoch` counts within the stage.
        distributed : bool
            Train together with the other processes of torch's process group, or of those that torchrun has started: all of
            them call `fit` with the same arguments, each holds some columns of every embedding table, or some rows where the
            model mixes dimensions (ngcf, neumf, …), and each ends with the whole recommender, equal to what one process makes
            up to rounding. Callbacks are called in process 0 alone, which also writes `checkpoint`. A model in closed form is
            solved in parts, or by process 0 for all.
        seen : Interactions, optional
            Pairs that nothing is learnt from and that are not recommended to their users either, such as what they rated low:
            ``table.select(table.ratings < 4)`` beside ``table.binarize(min_rating=4)``. Its ids are of the type of train's;
            those that train does not have do nothing until an update brings them. A warm start and an update keep what they
            were given before. Figures of :func:`graphrec.evaluate` are the same with it and without.
        **options
            How to train: every field of :class:`graphrec.training.options.FitOptions`, told below. What is not given is the
            model's own default, and the library's where it has none. Models in closed form take `device` only, and what
            asks for nothing.

        Returns
        -------
        Recommender
            This object. After Ctrl-C (KeyboardInterrupt) it is fitted with the weights learnt so far, and a warning says so.

        Raises
        ------
        InputError
            An unknown, impossible or idle option, `valid` in another id space, or `seen` with ids of another type.
        FloatingPointError
            The loss became NaN or infinite; the message says in which epoch and step.
        """
        fitting.check_tables(train, valid)
        named = given(dict(options))
        flags = {"resume": resume, "refit": refit, "warm_start": warm_start, "distributed": distributed}
        for name, value in flags.items():
            check_flag(name, value)
        if refit and valid is None:
            raise InputError("refit=True needs valid: the number of epochs is chosen on it.")
        with turn():
            met = seen_pairs(train, seen, self._state.seen if warm_start and self._state is not None else None)
            plan = self._plan()
            if not warm_start:  # which goes on with what is there
                refuse_idle(self.kind, self.name, plan.made_with, train, lambda: fitting.build(plan, train))
            if issubclass(self.kind, Solved):
                others = {"callbacks": callbacks, "checkpoint": checkpoint, "resume": resume, "warm_start": warm_start}
                refuse_for_solved(self.name, self.kind.reads, named, others)
                group = _agreed(met) if distributed else None
                with compiling_told():
                    solved = fitting.solve(plan, train, valid, refit, named.get("device", "auto"), group)
                self._state = replace(solved, seen=met)
                return self
            if warm_start:
                plan = self._plan_of_before(plan, train, refit)
            chosen = choose({**self.kind.defaults_for(train), **self.fit_defaults}, named, train, valid, refit)
            say_left_out(self.fit_defaults, named, chosen, stacklevel=3)
            with compiling_told(chosen.progress):
                trained = fitting.train(
                    plan,
                    chosen,
                    train,
                    valid,
                    callbacks=callbacks,
                    checkpoint=None if checkpoint is None else check_path("checkpoint", checkpoint),
                    resume=resume,
                    refit=refit,
                    earlier=self._fitted if warm_start else None,
                    group=_agreed(met) if distributed else None,
                )
            self._state = replace(trained, seen=met)
            return self

    @with_options()
    def update(
        self,
        more: Interactions | None,
        *,
        seen: Interactions | None = None,
        callbacks: Sequence[object] = (),
        **options: Unpack[FitKeywords],
    ) -> Recommender:
        """Take in what has happened since: new pairs of known people and things, and new people and things.

        The id space grows: new ids follow the old ones, whose indices stay. A solved model is solved again. A trained one
        keeps its weights; new rows start where trained rows of such partners lie (least squares); then it is trained for some
        epochs on old and new pairs, by the options of the latest fit. A pair that was there already counts once, with what
        `more` says of it (by time where there are times), unless the table keeps repeated events. Validation pairs of the
        latest fit stay out of training, unless `more` has them (a warning says so), and out of recommendations. Everything
        changes at the end, or nothing does.

        Parameters
        ----------
        more : Interactions or None
            In an id space of its own, with ids of the same type. If it holds no pair or rating that is new, nothing is learnt.
            None where there is nothing but `seen`.
        seen : Interactions, optional
            As of :meth:`fit`; what the recommender was given before stays. A pair that was learnt from and is seen now, and not
            in `more`, is not learnt from any more (a warning says how many); trained weights have learnt it all the same, and
            :attr:`trained_on` keeps it.
        callbacks : sequence
            As of :meth:`fit`.
        **options
            Options of :meth:`fit` that shall be others than in the latest fit. `epochs` is 5 unless given here, `device` where
            the model is; schedules and whatever looks at validation are not taken over. After a fit with a schedule the rate
            stays where the schedule had come to, but at least at a tenth of its peak, and those of `parameter_groups` are
            scaled alike, unless `lr` or `schedule` is given here; :attr:`options` says which it was.

        Returns
        -------
        Recommender
            This object.

        Raises
        ------
        InputError
            `more` is no table, has ids of another type, no ratings where the model needs them, or weights where the table had
            none (or the other way round); an option is unknown or means nothing; the model stands on another recommender or on
            features, which do not know the new ids.
        FloatingPointError
            The loss became NaN or infinite.
        """
        with turn():
            state = self._fitted
            met = seen_pairs(state.built_from, seen, state.seen)
            updated = updating.update(state, self._plan(state.made_with), more, callbacks, given(dict(options)), seen)
            self._state = updated if met is updated.seen else replace(updated, seen=met)
            return self

    def to(self, device: str | torch.device) -> Recommender:
        """Move the fitted model to a device; its answers come from there, and are the same beyond rounding.

        :attr:`model` is then another object: whoever holds the one from before keeps it where it was.

        Parameters
        ----------
        device : str or torch.device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

        Returns
        -------
        Recommender
            This object.
        """
        self._state = self._fitted.on(resolve_device(device))
        return self

    def share_ranking(self) -> Recommender:
        """From now on, find best items together with the other processes of torch's process group, or of torchrun's.

        Each looks at a part of the items, or of the people where a model scores all items at once, and all get the lists that
        one process would find. For :meth:`recommend`, :meth:`recommend_new` and :func:`graphrec.evaluate`, which all processes
        must then call alike, in the same order.

        Returns
        -------
        Recommender
            This object; copies, and what is saved, rank alone.

        Raises
        ------
        InputError
            It is not fitted, or nobody has said which processes make the group.
        """
        self._fitted.rank_with(joined())
        return self

    def _plan(self, options: Mapping[str, Any] | None = None) -> Plan:
        """What is fitted with the options that the recommender has now, or with those of a fit before."""
        options = as_given(checked_options(self.kind, self.name, self.hyper)) if options is None else options
        hyper = {name: _inner(value, lambda part: part.model) for name, value in options.items()}
        return Plan(self.name, self.kind, hyper, options, _as_data(self.name, options), known_to_parts(options))

    def _identity(self) -> dict[str, Any]:
        """What the fitted model is, as plain data."""
        return _as_data(self.name, self.hyper if self._state is None else self._state.made_with)

    def _plan_of_before(self, now: Plan, train: Interactions, refit: bool) -> Plan:
        """What a warm start goes on with."""
        if refit:
            raise InputError("warm_start=True goes on from the present weights and refit=True starts anew: choose one.")
        if not self.train.shares_ids_with(train):
            raise InputError(
                f"warm_start=True needs the id space that the model has ({self.train.n_users} users, {self.train.n_items} "
                f"items), and train has another ({train.n_users}, {train.n_items})."
            )
        plan = self._plan(self._fitted.made_with)
        if as_json(plan.identity) != as_json(now.identity):
            raise InputError(f"warm_start=True goes on with the model of {dict(plan.made_with)}, and hyper was changed since.")
        return plan

    def report(
        self,
        user: Any,
        path: str | Path = "page.html",
        items: pd.DataFrame | None = None,
        *,
        k: int = 10,
        evaluation: Report | None = None,
        title: str | None = None,
        image: str | None = None,
    ) -> Path:
        """Write one self-contained HTML page: data, model, settings, curves, metrics, and one person's list with reasons.

        Nothing in it is loaded from anywhere; pictures of items are links.

        Parameters
        ----------
        user : id
        path : path
            The file, written in one move.
        items : DataFrame, optional
            A row per item: a column of ids, one of titles, perhaps one of addresses of pictures (http or https).
        k : int
            Length of the list.
        evaluation : Report, optional
            Of :func:`graphrec.evaluate`: means with intervals, figures of all lists together, and figures by its groups of
            people and items; of people by length of history unless it has others.
        title, image : str, optional
            Columns of `items`; unless given, those with "title" or "name", and "poster", "image" or the like, in their name.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            An unknown id or column, no column of `items` with item ids, or Jinja2 is not there.
        OSError
            The file cannot be written.
        """
        return write_page(copy.copy(self), user, path, items, k=k, evaluation=evaluation, title=title, image=image)


def _no_model(name: str) -> InputError:
    """The error for a name that no model has; a preset's is told so by its file, since presets are made of recommenders."""
    if f"{name}.toml" in (file.name for file in resources.files("graphrec").joinpath("presets").iterdir()):
        return InputError(f"{name!r} is a preset and no model; gr.preset({name!r}) makes a recommender of it.")
    return unknown_name("model", name, NAMED)


def _agreed(seen: Interactions | None) -> Group:
    """The processes that fit together, once it is clear that all were given the same to leave out."""
    group = joined()
    group.check_same({"seen": of_table(seen)})
    return group


def _inner(value: Any, of: Callable[[Recommender], Any]) -> Any:
    """An option's value with something of each recommender in place of it."""
    if isinstance(value, list):
        return [_inner(one, of) for one in value]
    return of(value) if isinstance(value, Recommender) else value


def _as_data(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A model's name and options as plain data, those that are recommenders by theirs."""
    inner = {option: _inner(value, Recommender._identity) for option, value in options.items()}
    return {"model": name, **inner}


def known_to_parts(hyper: Mapping[str, Any]) -> tuple[Interactions, ...]:
    """What the fitted recommenders among some options were trained on."""
    values = [one for value in hyper.values() for one in (value if isinstance(value, list) else [value])]
    states = [one._state for one in values if isinstance(one, Recommender)]
    return tuple(state.trained_on for state in states if state is not None)
