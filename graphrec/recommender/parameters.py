"""The options of a recommender's constructor, asked and changed as scikit-learn does it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, Self

from graphrec.errors import unknown_name
from graphrec.models import Scorer
from graphrec.models.parts.idle import idle_options
from graphrec.recommender.state import State

__all__ = ["Parameters"]


class Parameters:
    """The half of a recommender that knows how it would be made again.

    ``sklearn.base.clone(recommender)`` gives one that is not fitted, with the same options, those of its preset for ``fit``
    among them; a fitted recommender that it stands on (the base of a hybrid) stays as it is.
    """

    name: str
    kind: type[Scorer]
    hyper: dict[str, Any]
    fit_defaults: dict[str, Any]
    _state: State | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every argument of the constructor with its value, given or by default: ``type(self)(**params)`` makes the like.

        Parameters
        ----------
        deep : bool
            Also those of the recommenders among them, as ``base__dim``.

        Returns
        -------
        dict
            ``"model"`` is the name, or the class where that has no name.

        Examples
        --------
        >>> rec = gr.Recommender("lightgcn", layers=2)
        >>> rec.get_params()["layers"], rec.get_params()["dim"]
        (2, 64)
        >>> rec.set_params(dim=32)
        Recommender('lightgcn', layers=2, dim=32): not fitted
        """
        own = inspect.signature(self.kind.__init__).parameters.values()
        plain = {p.name: p.default for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        params = {name: self.hyper.get(name, default) for name, default in plain.items() if name not in ("self", "train")}
        params = {**self._which(), **{name: value for name, value in params.items() if value is not inspect.Parameter.empty}}
        if deep:
            inner = {n: v.get_params() for n, v in params.items() if isinstance(v, Parameters)}
            params |= {f"{name}__{option}": value for name, of in inner.items() for option, value in of.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Other arguments of the constructor; a recommender that was fitted is not fitted any more.

        Parameters
        ----------
        **params
            Names of :meth:`get_params`. Those with two underscores go to the recommender that they name. Options of a preset
            that do nothing beside them are left out.

        Returns
        -------
        Recommender
            This object.

        Raises
        ------
        InputError
            An unknown name, with the nearest one, or a value of another type; then nothing is changed.
        """
        if not params:
            return self
        inner: dict[str, dict[str, Any]] = {}
        for name in [name for name in params if "__" in name]:
            part, _, option = name.partition("__")
            inner.setdefault(part, {})[option] = params.pop(name)
        fresh = self._like({**self._which(), **self.hyper, **params})
        for part, options in inner.items():
            if not isinstance(fresh.hyper.get(part), Parameters):
                known = [name for name in self.get_params() if "__" in name] or list(self.get_params())
                raise unknown_name(f"option of {self.name}", f"{part}__{next(iter(options))}", known)
            fresh.hyper[part] = fresh.hyper[part].__sklearn_clone__().set_params(**options)
        if fresh.kind is not self.kind:
            self.fit_defaults = {}  # a recipe belongs to its model
        elif self.fit_defaults:
            for option in idle_options(fresh.kind, fresh.hyper).keys() - params.keys():
                del fresh.hyper[option]  # the recipe's, and of no use beside what differs from it
        self.name, self.kind, self.hyper, self._state = fresh.name, fresh.kind, fresh.hyper, None
        return self

    def __sklearn_clone__(self) -> Self:
        fresh = self._like({**self._which(), **self.hyper})
        fresh.fit_defaults = copy.deepcopy(self.fit_defaults)
        return fresh

    def _which(self) -> dict[str, Any]:
        """The constructor's argument that names the model, where it has one."""
        named = "model" in inspect.signature(type(self).__init__).parameters
        return {"model": self.kind if ":" in self.name else self.name} if named else {}

    def _like(self, arguments: Mapping[str, Any]) -> Self:
        return type(self)(**arguments)
