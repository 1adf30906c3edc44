"""What a user of the library holds: a model, what it was fitted on, and the questions it answers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from graphrec import artefact
from graphrec.data.features import Features
from graphrec.data.interactions import Interactions
from graphrec.data.split import Split
from graphrec.errors import InputError, unknown_name
from graphrec.evaluation.pairs import pair_scores
from graphrec.evaluation.topk import top_k
from graphrec.models import COMPOSED, MODELS, Model
from graphrec.training.callbacks import StopAfter
from graphrec.training.choose import choose, refuse_for_solved
from graphrec.training.look import Look
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

__all__ = ["Recommender", "load"]

Ids = Sequence[Any] | npt.NDArray[Any]
_NAMED = {**MODELS, **COMPOSED}


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
    model : Model
        After :meth:`fit`.
    history : DataFrame
        A row per epoch: loss, learning rate, seconds and, where it was looked at, validation metrics.
    best_epoch : int or None
        The epoch whose weights are kept; None when there was no validation part.
    """

    def __init__(self, model: str | type[Model], **hyper: Any) -> None:
        if isinstance(model, str):
            if model not in _NAMED:
                raise unknown_name("model", model, _NAMED)
            self.name, self.kind = model, _NAMED[model]
        else:
            own = next((name for name, kind in COMPOSED.items() if kind is model), None)
            self.name, self.kind = own or f"{model.__module__}:{model.__qualname__}", model
        known = [name for name in inspect.signature(self.kind.__init__).parameters if name not in ("self", "train")]
        for option in hyper:
            if option not in known:
                raise unknown_name(f"option of model {self.name}", option, known)
        self.hyper = hyper
        self.fit_defaults: dict[str, Any] = {}
        self.options: FitOptions | None = None
        self.best_epoch: int | None = None
        self.valid: Interactions | None = None
        self._model: Model | None = None
        self._train: Interactions | None = None
        self._history: list[dict[str, Any]] = []
        self._stage = 0

    def __repr__(self) -> str:
        hyper = "".join(f", {name}={value!r}" for name, value in self.hyper.items())
        fitted = f"fitted on {self._train!r}" if self._train is not None else "not fitted"
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
            defaults. Models in closed form take none.

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
        if valid is not None and not train.shares_ids_with(valid):
            raise InputError(
                f"valid has another id space ({valid.n_users} users, {valid.n_items} items) than train "
                f"({train.n_users}, {train.n_items}); make both from one table with graphrec.split."
            )
        if refit and valid is None:
            raise InputError("refit=True needs valid: the number of epochs is chosen on it.")
        if not self.kind.needs_training:
            others = {"callbacks": callbacks, "checkpoint": checkpoint, "resume": resume, "warm_start": warm_start}
            refuse_for_solved(self.name, self.kind.reads, options, others)  # type: ignore[attr-defined]
            self._solve(train, valid)
            return self
        chosen = choose({**self.kind.defaults, **self.fit_defaults}, options, train, valid, refit)
        folder = None if checkpoint is None else Path(checkpoint)
        earlier: list[dict[str, Any]] = []
        if warm_start:
            self._check_warm_start(train, refit)
            earlier = self._history
        self._stage = self._stage + 1 if warm_start else 0
        state = self._train_once(chosen, train, valid, callbacks, folder, resume, self._model if warm_start else None)
        self._history = earlier + [{**row, "epoch": row["epoch"] + len(earlier)} for row in state.history]
        self.best_epoch = state.best_epoch
        if refit and valid is not None and not state.interrupted:
            stop = StopAfter(state.best_epoch or chosen.epochs)
            self._train_once(chosen, _joined(train, valid), None, [*callbacks, stop], None, False)
        self._train, self.valid, self.options = train, valid, chosen
        return self

    def _train_once(
        self,
        options: FitOptions,
        train: Interactions,
        valid: Interactions | None,
        callbacks: Sequence[object],
        checkpoint: Path | None,
        resume: bool,
        model: Model | None = None,
    ) -> Any:
        if model is None:
            # The model draws its initial weights from torch's default generator: seeded here, restored after.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(options.seed)
                model = self.kind(train, **self._arguments())
        look = None if valid is None else Look(options, train)
        trainer = Trainer(model, options, look, callbacks, identity=self._identity(), stage=self._stage)
        state = trainer.fit(train, valid, checkpoint, resume)
        self._model = model.eval()
        return state

    def _arguments(self) -> dict[str, Any]:
        """The constructor's keyword arguments, with the models of recommenders that were given."""
        return {name: value.model if isinstance(value, Recommender) else value for name, value in self.hyper.items()}

    def _identity(self) -> dict[str, Any]:
        """What the model is, for a checkpoint: its name and options; those that are objects by name."""
        parts = {name: value._identity() if isinstance(value, Recommender) else value for name, value in self.hyper.items()}
        return {"model": self.name, **parts}

    def _check_warm_start(self, train: Interactions, refit: bool) -> None:
        if refit:
            raise InputError("warm_start=True goes on from the present weights and refit=True starts anew: choose one.")
        if not self.train.shares_ids_with(train):
            raise InputError(
                f"warm_start=True needs the id space that the model has ({self.train.n_users} users, {self.train.n_items} "
                f"items), and train has another ({train.n_users}, {train.n_items})."
            )

    def _solve(self, train: Interactions, valid: Interactions | None) -> None:
        model = self.kind(train, **self._arguments())
        model.solve()  # type: ignore[operator]
        self._model = model.eval()
        self._train, self.valid, self._history = train, valid, []

    @property
    def model(self) -> Model:
        """The fitted model."""
        if self._model is None:
            raise InputError("this recommender is not fitted yet; call fit first.")
        return self._model

    @property
    def train(self) -> Interactions:
        """What the model was fitted on."""
        self.model  # noqa: B018 - raises when there is none
        assert self._train is not None
        return self._train

    @property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        return pd.DataFrame(self._history)

    def seen(self, but: Interactions | None = None) -> Interactions:
        """Training and validation pairs together, but for those of a table: what is not recommended again."""
        valid = self.valid
        if valid is not None and but is not None:
            valid = valid.select(np.flatnonzero(~but.has_keys(valid.keys)))
        return self.train if valid is None or not len(valid) else _joined(self.train, valid)

    # ---- questions ----------------------------------------------------------------------------

    def score(self, users: Ids, items: Ids) -> npt.NDArray[np.float32]:
        """Scores of paired users and items, shape (n,)."""
        if len(users) != len(items):
            raise InputError(f"score takes pairs: there are {len(users)} users and {len(items)} items.")
        return pair_scores(self.model, self.train.user_index(users), self.train.item_index(items)[:, None])[:, 0]

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Ids | None = None,
        exclude: Ids | None = None,
    ) -> pd.DataFrame:
        """The items with the highest scores.

        Parameters
        ----------
        users : sequence
            Ids as in the training table.
        k : int
            Items per user; a user with fewer left gets fewer.
        filter_seen : bool
            Leave out what the user has in training or validation.
        candidates, exclude : sequence, optional
            Items to choose from, and items to leave out, for every user.

        Returns
        -------
        DataFrame
            user_id, item_id, score, rank (from 1); users in the order asked, best item first.

        Raises
        ------
        InputError
            An unknown id, a user without any training interaction (for models that need one), or `k`
            outside 1 … n_items.
        """
        self._check_k(k)
        index = self.train.user_index(users)
        if self.kind.personalised:
            degree = np.diff(self.train.structure[0])
            cold = np.flatnonzero(degree[index] == 0)
            if len(cold):
                raise InputError(f"user {self.train.user_ids[index[cold[0]]]!s} has no training interaction to recommend from.")
        items = np.arange(self.train.n_items) if candidates is None else np.unique(self.train.item_index(candidates))
        if exclude is not None:
            items = np.setdiff1d(items, self.train.item_index(exclude))
        best, scores = top_k(self.model, index, k, seen=self.seen() if filter_seen else None, items=items)
        row, column = np.nonzero(best >= 0)
        return pd.DataFrame(
            {
                "user_id": self.train.user_ids[index[row]],
                "item_id": self.train.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
            }
        )

    def similar_items(self, items: Ids, k: int = 10) -> pd.DataFrame:
        """The items most like given ones, by cosine of their representations or the model's own measure.

        Parameters
        ----------
        items : sequence
            Ids as in the training table.
        k : int

        Returns
        -------
        DataFrame
            item_id, similar_id, score, rank (from 1).
        """
        self._check_k(k)
        index = torch.tensor(self.train.item_index(items), dtype=torch.int64)
        with torch.no_grad():
            scores = self.model.item_similarity(index)
        scores[torch.arange(len(index)), index] = -torch.inf
        k = min(k, self.train.n_items - 1)
        ordered, best = (part[:, :k] for part in scores.sort(dim=1, descending=True, stable=True))
        return pd.DataFrame(
            {
                "item_id": np.repeat(self.train.item_ids[index.numpy()], k),
                "similar_id": self.train.item_ids[best.numpy().reshape(-1)],
                "score": ordered.numpy().reshape(-1),
                "rank": np.tile(np.arange(1, k + 1), len(index)),
            }
        )

    def _check_k(self, k: int) -> None:
        if not 1 <= k <= self.train.n_items:
            raise InputError(f"k must be between 1 and the catalogue's {self.train.n_items} items, got {k}.")

    # ---- on disk ------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the recommender to a folder, complete: :func:`load` needs no data set and runs no code."""
        artefact.write(Path(path), self._artefact())

    def _artefact(self) -> artefact.Artefact:
        hyper, features, parts = {}, {}, {}
        for name, value in self.hyper.items():
            if name in self.kind.starting_options:
                continue  # the weights have what they started from
            if isinstance(value, Model):
                raise InputError(
                    f"a recommender of {self.name} cannot be saved with a bare model as its {name}: nothing tells the model's "
                    f"own options. Give the recommender itself, {name}=recommender instead of {name}=recommender.model."
                )
            if isinstance(value, Recommender):
                parts[name] = value._artefact()
            elif isinstance(value, Features):
                features[name] = value
            else:
                hyper[name] = value
        return artefact.Artefact(
            model=self.name,
            hyper=hyper,
            state=dict(self.model.state_dict()),
            train=self.train,
            valid=self.valid,
            fit={} if self.options is None else self.options.to_dict(),
            history=self._history,
            best_epoch=self.best_epoch,
            features=features,
            parts=parts,
        )


def load(path: str | Path, model: type[Model] | None = None) -> Recommender:
    """Read a recommender that :meth:`Recommender.save` wrote.

    Parameters
    ----------
    path : path
        The folder.
    model : type, optional
        The class, for a model that is not in the library's table. It is never imported by name.

    Returns
    -------
    Recommender

    Raises
    ------
    InputError
        The folder is missing, damaged, or holds a class that was not passed.
    """
    return _loaded(artefact.read(Path(path)), Path(path), model)


def _loaded(saved: artefact.Artefact, path: Path, model: type[Model] | None) -> Recommender:
    if model is None and saved.model not in _NAMED:
        raise InputError(f"{path} holds {saved.model}, which is not a model of graphrec; pass the class: load(path, model=…).")
    parts = {name: _loaded(part, path / name, None) for name, part in saved.parts.items()}
    hyper = {**saved.hyper, **saved.features, **parts}
    recommender = Recommender(saved.model if model is None else model, **hyper)
    built = recommender.kind(saved.train, **recommender._arguments())
    try:
        built.load_state_dict(saved.state)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the model {saved.model}: {str(error).splitlines()[-1].strip()}") from None
    recommender._model, recommender._train, recommender.valid = built.eval(), saved.train, saved.valid
    recommender._history, recommender.best_epoch = saved.history, saved.best_epoch
    return recommender


def _joined(train: Interactions, valid: Interactions) -> Interactions:
    return Split(train=train, valid=valid).train_and_valid
