"""Published recipes: a model, its hyper-parameters and how it was trained, one TOML file each."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from graphrec.errors import unknown_name
from graphrec.recommender import Recommender

__all__ = ["preset", "preset_names", "read_preset"]


def preset_names() -> list[str]:
    """Names of all presets."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """The tables of a preset's file: ``about`` (text), ``model`` (name and hyper-parameters), ``fit`` (options)."""
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def preset(name: str, **hyper: Any) -> Recommender:
    """A recommender with a paper's model and training settings.

    Parameters
    ----------
    name : str
        Such as ``"lightgcn-2020"``; :func:`preset_names` lists them.
    **hyper
        Hyper-parameters of the model that differ from the recipe.

    Returns
    -------
    Recommender
        Options that ``fit`` is not given come from the recipe.
    """
    tables = read_preset(name)
    model = dict(tables["model"])
    recommender = Recommender(model.pop("name"), **{**model, **hyper})
    recommender.fit_defaults = tables.get("fit", {})
    return recommender
