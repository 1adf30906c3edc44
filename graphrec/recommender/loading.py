"""From a saved folder to a recommender."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphrec.deferred import pandas as pd
from graphrec.devices import plainly, resolve_device
from graphrec.errors import InputError, check_path
from graphrec.folder_files import TABLE, has_journal
from graphrec.models import Blend as BlendModel
from graphrec.models import Scorer
from graphrec.recommender import artefact, fitting
from graphrec.recommender.blend import Blend
from graphrec.recommender.recommender import NAMED, Recommender
from graphrec.recommender.state import State

__all__ = ["load"]

Own = type[Scorer] | Sequence[type[Scorer]] | None


@plainly
def load(path: str | Path, model: Own = None, device: str = "cpu") -> Recommender:
    """Read a recommender that :meth:`Recommender.save` wrote.

    Parameters
    ----------
    path : path
        The folder.
    model : type or sequence of types, optional
        The class, for a model that is not in the library's table, or for a member of a blend that is such a model; several
        where these are of several classes. It is found by its name, whatever module it lies in now, and never imported by it.
    device : str
        Where its questions are answered, wherever it was trained: ``"cpu"``, ``"auto"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Returns
    -------
    Recommender
        Of the folder of a search with its ``table``.

    Raises
    ------
    InputError
        The folder is missing, damaged, or holds a class that was not passed, or none of those that were; or the device is not
        there.

    Examples
    --------
    >>> liked = gr.Interactions.from_indices([0, 0, 1, 1], [0, 1, 1, 2])
    >>> gr.Recommender("itempop").fit(liked).save("run")
    >>> gr.load("run").recommend(0, k=1)[["user_id", "item_id", "rank"]]
       user_id  item_id  rank
    0        0        2     1
    """
    where, folder = resolve_device(device), check_path("path", path)
    saved, kinds = artefact.read(folder), _kinds(model)
    names = _models_in(saved)
    if kinds and names <= NAMED.keys() and not any(NAMED[name] in kinds for name in names):
        raise InputError(f"{path} holds {', '.join(sorted(names))}, of graphrec, and no {_listed(kinds)}: leave model out.")
    recommender = _restored(saved, folder, kinds)
    recommender.table = _table_beside(folder)
    return recommender if where.type == "cpu" else recommender.to(where)


def _kinds(model: Own) -> list[type[Scorer]]:
    """Classes of models of one's own, of which there may be one."""
    kinds: list[Any] = [] if model is None else list(model) if isinstance(model, list | tuple) else [model]
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Scorer)):
            raise InputError(f"load: model must be a class of models of one's own, not {kind!r}; models of graphrec need none.")
    return kinds


def _kind_of(saved: artefact.Artefact, path: Path, kinds: Sequence[type[Scorer]]) -> str | type[Scorer]:
    """The class of a saved model, by its name: that of its own module first, as two may have one; of graphrec's the name."""
    if saved.model in NAMED:
        return saved.model
    there = sorted((kind for kind in kinds if _is_of(saved.model, kind)), key=lambda kind: _name_of(kind) != saved.model)
    if not there:
        beside = f", beside {_listed(kinds)}" if kinds else ""
        raise InputError(
            f"{path} holds {saved.model}, which is not a model of graphrec; pass the class{beside}: load(path, model=…)."
        )
    return there[0]


def _is_of(name: str, kind: type[Scorer]) -> bool:
    """Whether a saved model is of a class, which may have moved to another module since."""
    return NAMED.get(name) is kind or (name not in NAMED and name.rpartition(":")[2] == kind.__qualname__)


def _name_of(kind: type[Scorer]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _models_in(saved: artefact.Artefact) -> set[str]:
    """The names of a model and of those that it stands on."""
    return {saved.model}.union(*map(_models_in, saved.parts.values()))


def _listed(kinds: Sequence[type[Scorer]]) -> str:
    return ", ".join(map(_name_of, kinds))


def _restored(saved: artefact.Artefact, path: Path, kinds: Sequence[type[Scorer]]) -> Recommender:
    kind = _kind_of(saved, path, kinds)
    parts = {name: _restored(part, path, kinds) for name, part in saved.parts.items()}
    try:
        options = {**saved.hyper, **saved.features, **_together(parts)}
        recommender = Blend(**options) if kind in ("blend", BlendModel) else Recommender(kind, **options)
        recommender.fit_defaults, recommender.titles = saved.fit_defaults, saved.titles
        # Where training starts need not be computed again.
        seed, but = saved.fitted["options"].get("seed", 0), recommender.kind.starting_options
        plan = recommender._plan()
        built = fitting.build(plan, saved.built_from, seed, but)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever a constructor makes of options that no annotation checks
        raise InputError(f"{path} is damaged: there is no {saved.model} of its options ({_one_line(error)}).") from error
    artefact.fill(built, saved, path)
    know = plan.parts_know if saved.lent is None else (*plan.parts_know, saved.lent)
    recommender._state = State(
        built.eval(),
        plan.made_with,
        saved.built_from,
        saved.shown,
        saved.valid,
        parts_know=know,
        seen=saved.seen,
        chosen_before=saved.chosen,
        taught=saved.taught,
        **saved.fitted,
    )
    return recommender


def _table_beside(folder: Path) -> pd.DataFrame | None:
    """What the search tried that has the folder; None where none has. The run does not depend on it, whatever it holds."""
    if not has_journal(folder):
        return None
    try:
        texts: dict[str, type] = dict.fromkeys(("settings", "reason"), str)  # which may all be empty
        table, text = (pd.read_csv(folder / TABLE, dtype=dtype) for dtype in (texts, str))
        for name in table.select_dtypes("float"):  # pandas before 3 rounds what it takes for numbers itself
            table[name] = text[name].astype(float)
        return table.fillna(dict.fromkeys(texts, ""))
    except (OSError, ValueError):
        return None


def _together(parts: dict[str, Recommender]) -> dict[str, Any]:
    """Parts by option: those named ``members.0``, ``members.1``, … are one list."""
    options: dict[str, Any] = {}
    for name in sorted(parts, key=lambda name: (name.partition(".")[0], len(name), name)):
        option, dot, _ = name.partition(".")
        options[option] = [*options.get(option, []), parts[name]] if dot else parts[name]
    return options


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
