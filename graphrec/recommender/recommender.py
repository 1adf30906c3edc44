"""What a user of the library holds: a model, what it was fitted on, and the questions it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from graphrec.data.features import Features
from graphrec.data.interactions import Interactions
from graphrec.devices import resolve_device
from graphrec.errors import InputError, check_flag, unknown_name
from graphrec.evaluation.full_ranking import check_k
from graphrec.evaluation.report import Report
from graphrec.models import COMPOSED, MODELS, Scorer, Solved
from graphrec.models.parts.checks import checked_options
from graphrec.ranking.ranker import Ranker
from graphrec.recommender import artefact, explaining, fitting, newcomers, updating
from graphrec.recommender.newcomers import Histories
from graphrec.recommender.state import State
from graphrec.training.choose import choose, refuse_for_solved

__all__ = ["NAMED", "Recommender"]

Ids = Sequence[Any] | npt.NDArray[Any] | str | int
Cold = Literal["error", "skip", "popular"]
NAMED = {**MODELS, **COMPOSED}
"""Every model that has a name."""


class Recommender:
    """A model by name or class, with its hyper-parameters; nothing is built before :meth:`fit`.

    Parameters
    ----------
    model : str or type
        A name of ``graphrec.models.MODELS`` or a subclass of :class:`~graphrec.models.base.Model`.
    **hyper
        Keyword arguments of the model's constructor. An unknown one is refused with the nearest name. Where it wants a
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
    """

    titles: pd.Series[str] | None = None

    def __init__(self, model: str | type[Scorer], **hyper: Any) -> None:
        if isinstance(model, str):
            if model not in NAMED:
                raise unknown_name("model", model, NAMED)
            self.name, self.kind = model, NAMED[model]
        else:
            if not (isinstance(model, type) and issubclass(model, Scorer)):
                raise InputError(f"model must be a name or a subclass of graphrec.models.Model, got {model!r}.")
            own = next((name for name, kind in NAMED.items() if kind is model), None)
            self.name, self.kind = own or f"{model.__module__}:{model.__qualname__}", model
        self.hyper = checked_options(self.kind, self.name, hyper)
        self.fit_defaults: dict[str, Any] = {}
        self._state: State | None = None
        self.table: pd.DataFrame | None = None

    def __repr__(self) -> str:
        hyper = "".join(f", {name}={value!r}" for name, value in self.hyper.items())
        fitted = "not fitted" if self._state is None else f"fitted on {self._state.built_from!r}"
        return f"Recommender({self.name!r}{hyper}): {fitted}"

    # ---- training -----------------------------------------------------------------------------

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
        **options: Any,
    ) -> Recommender:
        """Train, or solve in closed form.

        Parameters
        ----------
        train : Interactions
        valid : Interactions, optional
            Held-out pairs in the same id space. The epoch that is best on them is kept, and they count as
            seen when recommending.
        callbacks : sequence
            Objects with any of the methods of :class:`graphrec.training.callbacks.Callback`.
        checkpoint : path, optional
            Folder to which the whole training state is written after each epoch.
        resume : bool
            Go on from the state in `checkpoint`, bit for bit as if training had not stopped.
        refit : bool
            Once the best epoch is chosen on `valid`, train anew on train and valid for that many epochs, under the same
            learning-rate schedule.
        warm_start : bool
            Go on from the present weights with a new optimiser: a further stage of training. The model keeps what it was
            built from (its graph, for one). The history goes on, too; `best_epoch` counts within the stage.
        **options
            See :class:`graphrec.training.options.FitOptions`; what is not given comes from the model's own
            defaults. Models in closed form take `device` only, and what asks for nothing.

        Returns
        -------
        Recommender
            This object.

        Raises
        ------
        InputError
            An unknown or impossible option, or `valid` in another id space.
        FloatingPointError
            The loss became NaN or infinite; the message says in which epoch and step.
        """
        fitting.check_tables(train, valid)
        for name, value in (("resume", resume), ("refit", refit), ("warm_start", warm_start)):
            check_flag(name, value)
        if refit and valid is None:
            raise InputError("refit=True needs valid: the number of epochs is chosen on it.")
        plan = self._plan()
        if issubclass(self.kind, Solved):
            given = {"callbacks": callbacks, "checkpoint": checkpoint, "resume": resume, "warm_start": warm_start}
            refuse_for_solved(self.name, self.kind.reads, options, given)
            self._state = fitting.solve(plan, train, valid, refit, options.get("device", "auto"))
            return self
        if warm_start:
            self._check_warm_start(train, refit)
        self._state = fitting.train(
            plan,
            choose({**self.kind.defaults_for(train), **self.fit_defaults}, options, train, valid, refit),
            train,
            valid,
            callbacks=callbacks,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            resume=resume,
            refit=refit,
            earlier=self._fitted if warm_start else None,
        )
        return self

    def update(self, more: Interactions, *, callbacks: Sequence[object] = (), **options: Any) -> Recommender:
        """Take in what has happened since: new pairs of known people and things, and new people and things.

        The id space grows: new ids follow the old ones, whose indices stay. A solved model is solved again. A trained one
        keeps its weights; new rows start where trained rows of such partners lie (least squares); then it is trained for some
        epochs on old and new pairs, by the options of the latest fit. A pair that was there already counts once, with what
        `more` says of it (by time where there are times), unless the table keeps repeated events. Validation pairs stay out of
        training and out of recommendations. Everything changes at the end, or nothing does.

        Parameters
        ----------
        more : Interactions
            In an id space of its own, with ids of the same type. If it holds no pair or rating that is new, nothing is done.
        callbacks : sequence
            As of :meth:`fit`.
        **options
            Options of :meth:`fit` that shall be others than in the latest fit. `epochs` is 5 unless given here; schedules and
            whatever looks at validation are not taken over.

        Returns
        -------
        Recommender
            This object.

        Raises
        ------
        InputError
            `more` is no table, has ids of another type or no ratings where the model needs them; an option is unknown or
            means nothing; the model stands on another recommender or on features, which do not know the new ids.
        FloatingPointError
            The loss became NaN or infinite.
        """
        self._state = updating.update(self._fitted, self._plan(), more, self.hyper, callbacks, options)
        return self

    def to(self, device: str | torch.device) -> Recommender:
        """Move the fitted model to a device; its answers come from there, and are the same beyond rounding.

        Parameters
        ----------
        device : str or torch.device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

        Returns
        -------
        Recommender
            This object.
        """
        state = self._fitted
        self._state = replace(state, model=state.model.to(resolve_device(device)))
        return self

    def _arguments(self) -> dict[str, Any]:
        """The constructor's keyword arguments, with the models of recommenders that were given."""
        return {name: _inner(value, lambda part: part.model) for name, value in self.hyper.items()}

    def _plan(self) -> fitting.Plan:
        return fitting.Plan(self.name, self.kind, self._arguments(), self._identity())

    def _identity(self) -> dict[str, Any]:
        """What the model is, as plain data: its name and options, those that are objects by name."""
        return {"model": self.name, **{name: _inner(value, Recommender._identity) for name, value in self.hyper.items()}}

    def _plain_hyper(self) -> dict[str, Any]:
        """The constructor's keyword arguments that are plain data."""
        return {n: v for n, v in self.hyper.items() if not isinstance(v, Recommender | Scorer | Features) and not _several(v)}

    def _check_warm_start(self, train: Interactions, refit: bool) -> None:
        if refit:
            raise InputError("warm_start=True goes on from the present weights and refit=True starts anew: choose one.")
        if not self.train.shares_ids_with(train):
            raise InputError(
                f"warm_start=True needs the id space that the model has ({self.train.n_users} users, {self.train.n_items} "
                f"items), and train has another ({train.n_users}, {train.n_items})."
            )

    # ---- what a fit left ------------------------------------------------------------------------

    @property
    def _fitted(self) -> State:
        if self._state is None:
            raise InputError("this recommender is not fitted yet; call fit first.")
        return self._state

    @property
    def model(self) -> Scorer:
        """The fitted model."""
        return self._fitted.model

    @property
    def ranker(self) -> Ranker:
        """The fitted model made ready for questions; it leaves out what was shown."""
        return self._fitted.ranker

    @property
    def train(self) -> Interactions:
        """What the model was built from: the training part, and the validation part after a refit."""
        return self._fitted.built_from

    @property
    def valid(self) -> Interactions | None:
        """The validation part of the latest fit."""
        return None if self._state is None else self._state.valid

    @property
    def selected(self) -> bool:
        """Whether the weights were chosen on the validation part."""
        return self._state is not None and self._state.selected

    @property
    def options(self) -> Mapping[str, Any]:
        """How the model was trained: every option of fit as plain data; empty for a solved model."""
        return {} if self._state is None else self._state.options

    @property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        return pd.DataFrame([] if self._state is None else [dict(row) for row in self._state.history])

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights are kept; None when there was no validation part."""
        return None if self._state is None else self._state.best_epoch

    @property
    def origin(self) -> Mapping[str, Any]:
        """How the command line read and split the table that the model was fitted on; empty where it did not."""
        return {} if self._state is None else self._state.origin

    @property
    def n_without_history(self) -> int:
        """How many users have no training interaction to recommend from, where the model needs one."""
        return int(self._fitted.has_nothing.sum()) if self.kind.personalised else 0

    # ---- questions ----------------------------------------------------------------------------

    def score(self, users: Ids, items: Ids) -> npt.NDArray[np.float32]:
        """Scores of paired users and items, shape (n,); one id may stand alone."""
        rows, columns = self.train.user_index(users), self.train.item_index(items)
        if len(rows) != len(columns):
            raise InputError(f"score takes pairs: there are {len(rows)} users and {len(columns)} items.")
        return self.ranker.pairs(rows, columns[:, None])[:, 0]

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Ids | None = None,
        exclude: Ids | None = None,
        cold: Cold = "error",
        explain: int = 0,
    ) -> pd.DataFrame:
        """The items with the highest scores.

        Parameters
        ----------
        users : sequence
            Ids as in the training table; one may stand alone.
        k : int
            Items per user; a user with fewer left gets fewer.
        filter_seen : bool
            Leave out what the user has in training or validation.
        candidates, exclude : sequence, optional
            Items to choose from, and items to leave out, for every user.
        cold : {"error", "skip", "popular"}
            What to do about users without any training interaction, where the model needs one: refuse, leave them out,
            or give them the items with the most users, whose number is then the score.
        explain : int
            Add columns reason_1, reason_2, … with this many of the user's own items, those that raise the score most (see
            :meth:`explain`); missing where fewer do.

        Returns
        -------
        DataFrame
            user_id, item_id, score, rank (from 1); users in the order asked, best item first.

        Raises
        ------
        InputError
            An unknown id, a user without any training interaction (for models that need one, unless `cold` says
            otherwise), or `k` outside 1 … n_items.
        FloatingPointError
            A score is not a finite number.
        """
        if isinstance(explain, bool) or not isinstance(explain, int | np.integer) or explain < 0:
            raise InputError(f"explain is a number of reasons, 0 or more; got {explain!r}.")
        check_flag("filter_seen", filter_seen)
        if cold not in ("error", "skip", "popular"):
            raise unknown_name("value of cold", cold, ("error", "skip", "popular"))
        table = self.train
        check_k([k], table.n_items)
        index, items = table.user_index(users), self._choice(candidates, exclude)
        without = np.flatnonzero(self._fitted.has_nothing[index]) if self.kind.personalised else np.zeros(0, np.int64)
        if len(without) and cold == "error":
            raise InputError(
                f"user {table.user_ids[index[without[0]]]!s} has no training interaction to recommend from; "
                "cold='skip' leaves such users out and cold='popular' gives them what most people have."
            )
        if len(without) and cold == "skip":
            index, without = np.delete(index, without), without[:0]
        ranker = self.ranker if filter_seen else self.ranker.leaving_out(None)
        warm = np.delete(np.arange(len(index)), without)
        best, scores = np.full((len(index), k), -1, np.int32), np.full((len(index), k), -np.inf, np.float32)
        best[warm], scores[warm] = ranker.top_k(index[warm], k, items)
        if len(without):
            popular = self._fitted.popularity.leaving_out(ranker.seen)
            best[without], scores[without] = popular.top_k(index[without], k, items)
        row, column = np.nonzero(best >= 0)
        reasons = {}
        if explain:
            pairs = [(int(u), int(i)) for u, i in zip(index[row], best[row, column], strict=True)]
            unknown = frozenset(int(u) for u in index[without])
            reasons = explaining.strongest(ranker, explaining.as_read(self._fitted), pairs, int(explain), unknown)
        return pd.DataFrame(
            {
                "user_id": table.user_ids[index[row]],
                "item_id": table.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
                **reasons,
            }
        )

    def recommend_new(
        self,
        histories: Histories,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Ids | None = None,
        exclude: Ids | None = None,
    ) -> pd.DataFrame:
        """The items with the highest scores for people who were not there in training, from what they have met.

        The model folds them in (:meth:`graphrec.models.base.Scorer.fold_in`) and stays as it is.

        Parameters
        ----------
        histories : sequence of sequences, or mapping of names to sequences
            Item ids of each person, as in the training table; a repeated one counts once. Where the model is one of ratings
            they are taken for liked: each has the mean of the training ratings that are no worse than the average.
        k : int
            Items per person; a person with fewer left gets fewer.
        filter_seen : bool
            Leave out the person's own history.
        candidates, exclude : sequence, optional
            Items to choose from, and items to leave out, for everyone.

        Returns
        -------
        DataFrame
            user_id (the position of the history from 0, or its name), item_id, score, rank (from 1).

        Raises
        ------
        InputError
            An unknown item, a history that is no list, an empty one where the model needs one, `k` outside 1 … n_items, or
            a model that cannot take in new people.
        FloatingPointError
            A score is not a finite number.
        """
        state = self._fitted
        check_k([k], state.built_from.n_items)
        return newcomers.recommend(state, self.name, histories, k, filter_seen, self._choice(candidates, exclude))

    def score_new(self, histories: Histories, items: Ids) -> npt.NDArray[np.float32]:
        """Scores of paired new people and items, shape (n,): the first history with the first item, and so on."""
        return newcomers.score(self._fitted, self.name, histories, items)

    def explain(self, user: Any, item: Any) -> pd.DataFrame:
        """What the score of a user with an item is made of.

        For linear models the parts are exact: item filters and neighbour models have one for each of the user's items;
        LightGCN (He et al., SIGIR 2020) has two, since each of its paths leaves the user through one own item first ("your
        item", the path of one step; "through other people", all longer ones), and one for the user's own embedding; with
        cosines, one for the item's popularity. For other models that can take in people anew, a part is what the score
        loses without one interaction, and "remainder" is what these leave over.

        Parameters
        ----------
        user, item : scalar
            Ids as in the training table. The item may be one that the user has met.

        Returns
        -------
        DataFrame
            Largest contribution first. item_id: the user's own item, missing where a row is not about one; contribution:
            float64, they add up to :meth:`score` beyond rounding; kind: in words; n_paths: how many other people have met
            both that item and the one explained.

        Raises
        ------
        InputError
            An unknown id, or a model that gives no reasons.
        """
        table = self.train
        rows, columns = table.user_index([user]), table.item_index([item])
        return explaining.explanation(self.ranker, explaining.as_read(self._fitted), int(rows[0]), int(columns[0]))

    def _choice(self, candidates: Ids | None, exclude: Ids | None) -> npt.NDArray[np.int64] | None:
        """The items to choose from, ascending; None for all."""
        if candidates is None and exclude is None:
            return None
        everything = np.arange(self.train.n_items)
        items = everything if candidates is None else np.unique(self.train.item_index(candidates)).astype(np.int64)
        return items if exclude is None else np.setdiff1d(items, self.train.item_index(exclude))

    def similar_items(self, items: Ids, k: int = 10) -> pd.DataFrame:
        """The items most like given ones, by cosine of their representations or the model's own measure.

        Parameters
        ----------
        items : sequence
            Ids as in the training table; one may stand alone.
        k : int

        Returns
        -------
        DataFrame
            item_id, similar_id, score, rank (from 1).
        """
        table = self.train
        check_k([k], table.n_items)
        index = table.item_index(items)
        best, scores = self.ranker.similar(index, k)
        row, column = np.nonzero(best >= 0)
        return pd.DataFrame(
            {
                "item_id": table.item_ids[index[row]],
                "similar_id": table.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
            }
        )

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
            Of :func:`graphrec.evaluate`: means with intervals, and means by length of history.
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
        from graphrec.report.page import write_page

        return write_page(self, user, path, items, k=k, evaluation=evaluation, title=title, image=image)

    # ---- on disk ------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the recommender to a folder, complete: :func:`graphrec.load` needs no data set and runs no code.

        A run that is there already is replaced in one move: a kill or a full disk leaves the old one or the new one.

        Raises
        ------
        InputError
            It is not fitted, or has options that cannot be written.
        OSError
            The folder cannot be written.
        """
        artefact.write(Path(path), self._artefact())

    def _artefact(self) -> artefact.Artefact:
        state = self._fitted
        given = {n: v for n, v in self.hyper.items() if isinstance(v, Recommender | Scorer | Features)}
        for name, several in ((n, v) for n, v in self.hyper.items() if _several(v)):
            given |= {f"{name}.{place}": value for place, value in enumerate(several)}
        parts: dict[str, artefact.Artefact] = {}
        for name, value in given.items():
            if name in self.kind.starting_options or isinstance(value, Features):
                continue  # the weights have what they started from
            if not isinstance(value, Recommender):
                raise InputError(
                    f"a recommender of {self.name} cannot be saved with a bare model as its {name}: nothing tells the model's "
                    f"own options. Give the recommender itself, {name}=recommender instead of {name}=recommender.model."
                )
            parts[name] = value._artefact()
        return artefact.Artefact(
            model=self.name,
            hyper=self._plain_hyper(),
            fit_defaults=self.fit_defaults,
            state=dict(state.model.state_dict()),
            built_from=state.built_from,
            shown=state.shown,
            valid=state.valid,
            fitted={
                "selected": state.selected,
                "options": dict(state.options),
                "history": [dict(row) for row in state.history],
                "best_epoch": state.best_epoch,
                "stage": state.stage,
                "origin": dict(state.origin),
            },
            features={name: value for name, value in given.items() if isinstance(value, Features)},
            parts=parts,
            titles=self.titles,
        )


def _several(value: object) -> bool:
    """Whether an option is a list of recommenders or models, such as the members of a blend."""
    return isinstance(value, list) and any(isinstance(one, Recommender | Scorer) for one in value)


def _inner(value: Any, of: Callable[[Recommender], Any]) -> Any:
    """An option's value with something of each recommender in place of it."""
    if isinstance(value, list):
        return [_inner(one, of) for one in value]
    return of(value) if isinstance(value, Recommender) else value
