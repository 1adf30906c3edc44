"""A recommender written to a folder; :func:`graphrec.load` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphrec.data.features import Features
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, check_path
from graphrec.models import Scorer
from graphrec.recommender import artefact
from graphrec.recommender.outcome import Outcome

__all__ = ["Stored"]


class Stored(Outcome):
    """The part of a recommender that writes down its options, the recommenders among these, and its state."""

    fit_defaults: dict[str, Any]
    titles: pd.Series[str] | None = None

    def save(self, path: str | Path) -> None:
        """Write the recommender to a folder, complete: :func:`graphrec.load` needs no data set and runs no code.

        Only a table that :func:`graphrec.open_table` opened is named instead of copied, and a warning says so.

        A run that is there already is replaced in one move: a kill or a full disk leaves the old one or the new one.

        Raises
        ------
        InputError
            It is not fitted, has options that cannot be written, or the folder has files and no run, or a search that has saved
            nothing yet.
        OSError
            The folder cannot be written.
        """
        artefact.write(check_path("path", path), self._artefact())

    def _artefact(self) -> artefact.Artefact:
        state = self._fitted
        for name, tensor in state.model.state_dict().items():
            if tensor.dtype != state.dtypes.get(name, tensor.dtype):
                raise InputError(
                    f"a recommender of {self.name} cannot be saved: {name} was changed to {tensor.dtype} since it was fitted, "
                    f"where it was {state.dtypes[name]}."
                )
        given = {n: v for n, v in state.made_with.items() if isinstance(v, Stored | Scorer | Features)}
        for name, several in ((n, v) for n, v in state.made_with.items() if _several(v)):
            given |= {f"{name}.{place}": value for place, value in enumerate(several)}
        parts: dict[str, artefact.Artefact] = {}
        for name, value in given.items():
            if name in self.kind.starting_options or isinstance(value, Features):
                continue  # the weights have what they started from
            if not isinstance(value, Stored):
                raise InputError(
                    f"a recommender of {self.name} cannot be saved with a bare model as its {name}: nothing tells the model's "
                    f"own options. Give the recommender itself, {name}=recommender instead of {name}=recommender.model."
                )
            parts[name] = value._artefact()
        return artefact.Artefact(
            model=self.name,
            hyper={name: value for name, value in state.made_with.items() if name not in given and not _several(value)},
            fit_defaults=self.fit_defaults,
            state=dict(state.model.state_dict()),
            built_from=state.built_from,
            shown=state.shown,
            valid=state.valid,
            lent=state.lent,
            seen=state.seen,
            chosen=state.chosen_elsewhere,
            taught=None if state.own_pairs is state.built_from else state.taught,
            fitted={
                "selected": state.selected,
                "options": dict(state.options),
                "history": [dict(row) for row in state.history],
                "best_epoch": state.best_epoch,
                "stage": state.stage,
                "origin": dict(state.origin),
                "device": state.device,
                "rates_after": dict(state.rates_after),
            },
            features={name: value for name, value in given.items() if isinstance(value, Features)},
            parts=parts,
            titles=self.titles,
        )


def _several(value: object) -> bool:
    """Whether an option is a list of recommenders or models, such as the members of a blend."""
    return isinstance(value, list) and any(isinstance(one, Stored | Scorer) for one in value)
