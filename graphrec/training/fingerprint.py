"""What a training is, in a form that JSON can hold: two that differ in it are two trainings."""

from __future__ import annotations

import hashlib
import json
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
from torch import nn

from graphrec.data.interactions import Interactions
from graphrec.data.mapped import MappedInteractions
from graphrec.errors import InputError
from graphrec.training.credit import Credit
from graphrec.training.schedules import Schedule

__all__ = ["as_json", "held_by", "of_rows", "of_table", "refuse_another"]


def as_json(value: Any) -> Any:
    """A value as JSON gives it back; functions of the caller's own are there by their qualified name and a checksum of their
    code and of the plain values that they were made with, objects by the name of their class."""
    if isinstance(value, Credit):
        return value.to_dict()
    if isinstance(value, Schedule):
        return as_json(asdict(value))
    if isinstance(value, partial):
        return {"function": as_json(value.func), "args": as_json(value.args), "keywords": as_json(value.keywords)}
    if isinstance(value, Mapping):
        return {str(name): as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return as_json(value.tolist())
    if value is None or isinstance(value, str | int | float | bool):
        return value
    named = value if hasattr(value, "__qualname__") else type(value)
    code = getattr(value, "__code__", None)  # two functions of one name are two functions
    if code is None:
        return f"{named.__module__}:{named.__qualname__}"
    told = code.co_code + repr((code.co_names, _constants(code))).encode()
    if held := held_by(value):
        told += json.dumps(held, sort_keys=True).encode()
    return f"{named.__module__}:{named.__qualname__}#{zlib.crc32(told):08x}"


def held_by(part: Any) -> dict[str, Any]:
    """The plain values that a function's closure and defaults or an object's attributes hold; of a module, its tensors too.

    An object that can load a state is told of by that.
    """
    if isinstance(part, nn.Module):
        arrays = {name: tensor.cpu().float().contiguous().numpy() for name, tensor in part.state_dict().items()}
        return {name: zlib.crc32(array) for name, array in arrays.items()}  # which copies nothing
    code, held = getattr(part, "__code__", None), dict[str, Any]()
    if code is not None:
        held = dict(zip(code.co_freevars, (_content(cell) for cell in part.__closure__ or ()), strict=True))
        held |= {"defaults": part.__defaults__, "keyword defaults": part.__kwdefaults__}
    elif not hasattr(part, "load_state_dict") and not isinstance(part, type):
        held = getattr(part, "__dict__", {})
    return {name: as_json(value) for name, value in held.items() if value is not None and _is_plain(value)}


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, str | int | float | bool | np.generic)


def _constants(code: CodeType) -> list[Any]:
    """The constants of a function's code, functions inside it by their own code."""
    return [[*_constants(one), one.co_code] if isinstance(one, CodeType) else one for one in code.co_consts]


def of_table(table: Interactions | None) -> str | None:
    """A checksum of a table's rows in their order, with ratings, times, weights and ids; None of none."""
    if table is None:
        return None
    sha = hashlib.sha256(f"{table.n_users} {table.n_items} {len(table)}".encode())
    # Weights only where there are some: the checksum of a table without is the one that it had before there were any.
    weights = () if table.weights is None else (table.weights,)
    for array in (table.keys, table.ratings, table.times, table.user_ids, table.item_ids, *weights):
        if array is None:
            sha.update(b"none")
        elif array.dtype == object:
            sha.update(json.dumps([str(value) for value in array]).encode())
        else:
            sha.update(np.ascontiguousarray(array).view(np.uint8).data)
    return sha.hexdigest()


def of_rows(table: Interactions | None) -> str | None:
    """As :func:`of_table`, whatever the order of the rows; rows of one pair keep theirs. None of none.

    A table that stays on disk has the one order that it was written in.
    """
    if table is None or isinstance(table, MappedInteractions) or bool((np.diff(table.keys) >= 0).all()):
        return of_table(table)
    return of_table(table.select(np.argsort(table.keys, kind="stable")))


_PARTS = {
    "train": "on another training table",
    "valid": "with another validation part, or with one where there is none now",
}


def refuse_another(folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse to go on with a training that is not this one.

    Parameters
    ----------
    folder : Path
        Where it was kept, for the message.
    theirs, ours : mapping
        ``train``, ``valid`` and ``stage``, and under ``model`` and ``options`` what was chosen, by name; under ``rows`` the
        tables whatever the order of their rows, under ``in_order`` those of which the order matters, and under ``before``
        what the weights came from with which it began, if from any, and checksums of these ``weights``.

    Raises
    ------
    InputError
        They differ; the message names the first difference.
    """
    for part, words in _PARTS.items():
        if theirs[part] == ours[part]:
            continue
        same_rows = ours["rows"][part] is not None and theirs.get("rows", {}).get(part) == ours["rows"][part]
        if same_rows and part in ours["in_order"]:
            raise InputError(
                f"{folder} holds a training on the same rows of {part} in another order, and this one goes by their order; "
                "give the table as it was, or another checkpoint folder."
            )
        if not same_rows:
            raise InputError(f"{folder} holds a training {words}; give what it was begun with, or another checkpoint folder.")
    if theirs["stage"] != ours["stage"]:
        raise InputError(
            f"{folder} holds stage {theirs['stage'] + 1} of a training, and this is stage {ours['stage'] + 1}; "
            "each stage needs a checkpoint folder of its own."
        )
    for part in ("model", "options"):
        old, new = theirs[part], as_json(ours[part])
        for name in dict.fromkeys((*new, *old)):
            if old.get(name) != new.get(name):
                raise InputError(
                    f"{folder} was trained with {name}={old.get(name)!r}, and now {name}={new.get(name)!r} is asked for."
                )
    old, new = theirs.get("before", []), ours["before"]
    if [_origin(one) for one in old] != [_origin(one) for one in new]:
        raise InputError(
            f"{folder} holds a training that began with other weights than this one: the stage before, or a recommender that "
            "it stands on, was trained otherwise; give what it was begun with, or another checkpoint folder."
        )
    if old != new:  # by several threads, or on a GPU, no training gives the same numbers twice
        warnings.warn(
            f"{folder} holds a training that began with other weights than this one is given, though they were trained by the "
            "same options: it goes on from its own, and what was changed in the ones that are given has no part in it.",
            stacklevel=6,
        )


def _origin(before: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in before.items() if name != "weights"}
