"""Published recipes: a model, its hyper-parameters and how it was trained, one TOML file each.

A file has ``about`` and ``source`` (texts), the tables ``model`` (the model's name and hyper-parameters) and, for trained
models, ``fit`` (options); then for each data set with a published figure or with settings of its own a table ``data.NAME``
with ``model`` and ``fit``, which are laid over the others, and ``published``, the paper's figures by metric.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from graphrec.errors import InputError, unknown_name
from graphrec.models.parts.idle import idle_options
from graphrec.recommender import Recommender

__all__ = ["preset", "preset_data", "preset_names", "published_figures", "read_preset"]


def preset_names() -> list[str]:
    """Names of all presets."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_preset(name: str, data: str | None = None) -> dict[str, Any]:
    """The tables of a preset's file, those of one data set laid over the common ones.

    Parameters
    ----------
    name : str
    data : str, optional
        A name of :func:`preset_data`.

    Returns
    -------
    dict
        ``about``, ``source`` (texts), ``model`` (name and hyper-parameters), ``fit`` (options) and ``data`` (as in the file).

    Raises
    ------
    InputError
        There is no such preset, or nothing of its own for the data set.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    tables = tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))
    of_data = tables.setdefault("data", {})
    if data is not None:
        if data not in of_data:
            there = f"it has them for {' and '.join(of_data)}" if of_data else "its settings are the same for all"
            raise InputError(f"preset {name!r} has no settings for the data set {data!r}; {there}.")
        for table in ("model", "fit"):
            tables[table] = {**tables.get(table, {}), **of_data[data].get(table, {})}
    return tables


def preset_data(name: str) -> list[str]:
    """Names of the data sets for which a preset has settings or published figures of their own; often none."""
    return list(read_preset(name)["data"])


def published_figures(name: str) -> dict[str, dict[str, float]]:
    """The figures that a preset's source prints, by data set and metric (``"recall@20"``)."""
    return {data: dict(tables.get("published", {})) for data, tables in read_preset(name)["data"].items()}


def preset(name: str, data: str | None = None, **hyper: Any) -> Recommender:
    """A recommender with a model and training settings that go together: a paper's, or of this library where `source` says so.

    Parameters
    ----------
    name : str
        Such as ``"lightgcn-2020"``; :func:`graphrec.presets.preset_names` and the command ``graphrec presets`` list them.
    data : str, optional
        The data set whose settings are taken, where a paper's differ: ``"gowalla"``, ``"yelp2018"``, ``"amazon-book"``.
        Unless given, those of Gowalla, or of the first that the paper has settings for.
    **hyper
        Hyper-parameters of the model that differ from the recipe.

    Returns
    -------
    Recommender
        Options that ``fit`` is not given come from the recipe. Under another loss than the recipe's, the arguments of that do
        not, nor what suits no other: where the new one is of another kind, all about negatives and pairs, and with an
        optimiser of its own that and its learning rate. A warning names what was left out.

    Raises
    ------
    InputError
        There is no such preset, or nothing of its own for the data set; the sentence says for which there is.

    Examples
    --------
    >>> gr.preset("lightgcn-2020", dim=32)
    Recommender('lightgcn', dim=32, layers=3, normalisation='sym', init_std=0.1): not fitted
    """
    tables = read_preset(name, data)
    model = dict(tables["model"])
    recommender = Recommender(model.pop("name"), **{**model, **hyper})
    for option in idle_options(recommender.kind, recommender.hyper).keys() - hyper.keys():
        del recommender.hyper[option]  # the recipe's, and of no use beside what differs from it
    recommender.fit_defaults = tables.get("fit", {})
    return recommender
