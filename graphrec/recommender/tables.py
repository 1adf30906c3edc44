"""Interactions and features as named tensors, and back with every index checked."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.features import Features, Labels
from graphrec.data.ids import find
from graphrec.data.interactions import Interactions
from graphrec.data.mapped import MappedInteractions, open_table
from graphrec.data.parts import Split
from graphrec.deferred import pandas as pd
from graphrec.deferred import sparse
from graphrec.errors import InputError

__all__ = [
    "features_of",
    "in_ids_of",
    "joined",
    "other_of",
    "pack_features",
    "pack_others",
    "pack_seen",
    "pack_tables",
    "pack_titles",
    "seen_of",
    "tables_of",
    "titles_of",
]

Packed = tuple[dict[str, Tensor], dict[str, Any]]
_COLUMNS = {
    "users": torch.int32,
    "items": torch.int32,
    "ratings": torch.float32,
    "times": torch.int64,
    "weights": torch.float32,
}


def joined(first: Interactions, second: Interactions) -> Interactions:
    """The rows of both tables, without columns that only one of them has."""
    if not (len(first) and len(second)):
        return first if len(first) else second
    alone: dict[str, Any] = {
        name: None
        for name in ("ratings", "times", "weights")
        if (getattr(first, name) is None) != (getattr(second, name) is None)
    }
    if alone:
        first, second = replace(first, **alone), replace(second, **alone)
    return Split(train=first, valid=second, overlap="keep").train_and_valid


def in_ids_of(table: Interactions, other: Interactions) -> Interactions:
    """The other table's pairs in the id spaces of the first, without those that have no place there."""
    if table.shares_ids_with(other):
        return other
    users = find(table._user_lookup, other.user_ids, "user").astype(np.int32)
    items = find(table._item_lookup, other.item_ids, "item").astype(np.int32)
    there = other.select(np.flatnonzero((users[other.users] >= 0) & (items[other.items] >= 0)))
    return replace(there, users=users[there.users], items=items[there.items], user_ids=table.user_ids, item_ids=table.item_ids)


def pack_tables(built_from: Interactions, shown: Interactions, valid: Interactions | None) -> Packed:
    """The tables of a recommender; what it has shown is stored by itself only where it does not follow.

    Of a table that is mapped from a folder the folder is named, and nothing is stored.
    """
    mapped = {
        part: {"folder": str(table.folder), "columns": table.columns}
        for part, table in (("built_from", built_from), ("valid", valid))
        if isinstance(table, MappedInteractions) and table.folder is not None
    }
    if mapped:
        folders = ", ".join(sorted({str(named["folder"]) for named in mapped.values()}))
        warnings.warn(
            f"what is saved refers to the table in {folders}, and cannot be loaded without it as it is now.", stacklevel=5
        )
    tensors: dict[str, Tensor] = {}
    if "built_from" not in mapped:
        tensors |= {
            **_ids("user", built_from.user_ids),
            **_ids("item", built_from.item_ids),
            **_table("built_from", built_from),
        }
    if valid is not None and "valid" not in mapped:
        tensors |= _table("valid", valid)
    if shown is built_from or shown.fingerprint == built_from.fingerprint:
        how = "built_from"
    elif valid is not None and shown.fingerprint == joined(built_from, valid).fingerprint:
        how = "built_from and valid"
    else:
        how = "shown"
        tensors |= _table("shown", shown)
    return tensors, {"shown": how, **({"mapped": mapped} if mapped else {})}


def tables_of(
    tensors: dict[str, Tensor], meta: dict[str, Any], where: str
) -> tuple[Interactions, Interactions, Interactions | None]:
    """What :func:`pack_tables` packed: built_from, shown and valid.

    Raises
    ------
    InputError
        Something is missing, of another type, or out of bounds; or a folder that is named does not hold the table any more.
    """
    mapped = {part: _opened(named, where) for part, named in meta.get("mapped", {}).items()}
    if "built_from" in mapped:
        built_from = mapped["built_from"]
        return built_from, *_others_of(tensors, meta, built_from, mapped, where)
    ids = _id_spaces(tensors, "", where)
    built_from = _table_of("built_from", tensors, ids, where)
    return built_from, *_others_of(tensors, meta, built_from, mapped, where)


def _others_of(
    tensors: dict[str, Tensor], meta: dict[str, Any], built_from: Interactions, mapped: dict[str, Interactions], where: str
) -> tuple[Interactions, Interactions | None]:
    ids = {"user": built_from.user_ids, "item": built_from.item_ids}
    valid = mapped.get("valid")
    if valid is None and "valid.users" in tensors:
        valid = _table_of("valid", tensors, ids, where)
    match meta.get("shown"):
        case "built_from":
            shown = built_from
        case "built_from and valid" if valid is not None:
            shown = joined(built_from, valid)
        case _:
            shown = _table_of("shown", tensors, ids, where)
    return shown, valid


def pack_others(**tables: Interactions | None) -> dict[str, Tensor]:
    """Tables by name beside those of a recommender's fit: pairs that only what it stands on knows, for one."""
    return {name: column for part, table in tables.items() if table is not None for name, column in _table(part, table).items()}


def other_of(part: str, tensors: dict[str, Tensor], built_from: Interactions, where: str) -> Interactions | None:
    """One that :func:`pack_others` packed, in the id spaces of a table."""
    ids = {"user": built_from.user_ids, "item": built_from.item_ids}
    return _table_of(part, tensors, ids, where) if f"{part}.users" in tensors else None


def pack_seen(seen: Interactions | None) -> dict[str, Tensor]:
    """Pairs that are left out though nothing was learnt from them, with the ids that are theirs."""
    if seen is None:
        return {}
    return {**_ids("seen.user", seen.user_ids), **_ids("seen.item", seen.item_ids), **_table("seen", seen)}


def seen_of(tensors: dict[str, Tensor], where: str) -> Interactions | None:
    """What :func:`pack_seen` packed."""
    return _table_of("seen", tensors, _id_spaces(tensors, "seen.", where), where) if "seen.users" in tensors else None


def _id_spaces(tensors: dict[str, Tensor], prefix: str, where: str) -> dict[str, npt.NDArray[Any]]:
    """Distinct ids of both sides."""
    ids = {side: _ids_of(f"{prefix}{side}", tensors, where) for side in ("user", "item")}
    for side, values in ids.items():
        if len(pd.unique(values)) < len(values):
            raise _damaged(where, f"a {side} id occurs twice")
    return ids


def _opened(named: dict[str, str], where: str) -> Interactions:
    try:
        return open_table(named["folder"], named["columns"])
    except (KeyError, TypeError):
        raise _damaged(where, "the name of a mapped table is missing or of another type") from None
    except InputError as error:
        raise InputError(f"{where} names a mapped table and does not hold it: {error}") from error


def _ids(side: str, ids: npt.NDArray[Any]) -> dict[str, Tensor]:
    """Integers as they are; texts as the bytes of all of them and where each begins."""
    if np.issubdtype(ids.dtype, np.integer):
        return {f"{side}_ids": torch.tensor(ids.astype(np.int64))}
    encoded = [str(one).encode("utf-8", "surrogatepass") for one in ids]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=starts[1:])
    text = np.frombuffer(b"".join(encoded), np.uint8).copy()
    return {f"{side}_ids.text": torch.from_numpy(text), f"{side}_ids.starts": torch.from_numpy(starts)}


def _ids_of(side: str, tensors: dict[str, Tensor], where: str) -> npt.NDArray[Any]:
    if f"{side}_ids" in tensors:
        return _vector(tensors, f"{side}_ids", torch.int64, where).numpy()
    text = _vector(tensors, f"{side}_ids.text", torch.uint8, where).numpy().tobytes()
    starts = _vector(tensors, f"{side}_ids.starts", torch.int64, where).tolist()
    if not starts or starts[0] or starts[-1] != len(text) or any(a > b for a, b in itertools.pairwise(starts)):
        raise _damaged(where, f"the texts of the {side} ids do not fit together")
    try:
        values = [text[a:b].decode("utf-8", "surrogatepass") for a, b in itertools.pairwise(starts)]
    except UnicodeDecodeError:
        raise _damaged(where, f"a {side} id is no text") from None
    ids = np.empty(len(values), object)
    ids[:] = values
    return ids


def _table(part: str, table: Interactions) -> dict[str, Tensor]:
    columns = {name: getattr(table, name) for name in _COLUMNS}
    return {f"{part}.{name}": torch.tensor(column) for name, column in columns.items() if column is not None}


def _table_of(part: str, tensors: dict[str, Tensor], ids: dict[str, npt.NDArray[Any]], where: str) -> Interactions:
    columns: dict[str, npt.NDArray[Any] | None] = {}
    for name, dtype in _COLUMNS.items():
        needed = name in ("users", "items")
        columns[name] = (
            _vector(tensors, f"{part}.{name}", dtype, where).numpy() if needed or f"{part}.{name}" in tensors else None
        )
    users, items, ratings, times, weights = (columns[name] for name in _COLUMNS)
    assert users is not None
    assert items is not None
    if len({len(column) for column in columns.values() if column is not None}) > 1:
        raise _damaged(where, f"the columns of {part} differ in length")
    for side, index in (("user", users), ("item", items)):
        if len(index) and not (index.min() >= 0 and index.max() < len(ids[side])):
            raise _damaged(where, f"{part} names a {side} that is not there")
    if ratings is not None and not np.isfinite(ratings).all():
        raise _damaged(where, f"{part} has a rating that is no finite number")
    if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise _damaged(where, f"{part} has a weight that is below 0 or no finite number")
    return Interactions(users, items, ids["user"], ids["item"], ratings, times, weights)


def pack_titles(titles: pd.Series[str], table: Interactions) -> Packed:
    """Names of items in the order of a table's items; the empty text stands for none."""
    names = titles.reindex(table.item_ids).fillna("")
    return _ids("title", names.to_numpy(object)), {}


def titles_of(tensors: dict[str, Tensor], meta: dict[str, Any], table: Interactions, where: str) -> pd.Series[str]:
    """What :func:`pack_titles` packed, by the ids of the items that have a name."""
    names = _ids_of("title", tensors, where)
    if len(names) != table.n_items:
        raise _damaged(where, "there is not one title for each item")
    titles = pd.Series(names, index=pd.Index(table.item_ids), dtype=object)
    return titles[titles != ""]


def pack_features(features: Features) -> Packed:
    """The matrix in compressed rows and the codes of the labels; the ids are those of the training table."""
    matrix, labels = features.matrix, features.labels
    arrays = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    arrays |= {f"labels.{column}": of.codes for column, of in labels.items()}
    names = {column: [str(name) for name in of.names] for column, of in labels.items()}
    meta = {"side": features.side, "columns": list(features.columns), "labels": names}
    return {name: torch.tensor(array) for name, array in arrays.items()}, meta


def features_of(tensors: dict[str, Tensor], meta: dict[str, Any], train: Interactions, where: str) -> Features:
    """What :func:`pack_features` packed, for the ids of a table."""
    _check_words(meta, where)
    ids = train.item_ids if meta["side"] == "item" else train.user_ids
    indptr, indices = (_vector(tensors, name, torch.int32, where).numpy() for name in ("indptr", "indices"))
    data = _vector(tensors, "data", torch.float32, where).numpy()
    width = len(meta["columns"])
    in_order = len(indptr) == len(ids) + 1 and indptr[0] == 0 and indptr[-1] == len(indices) and (np.diff(indptr) >= 0).all()
    if not in_order or len(data) != len(indices) or not np.isfinite(data).all():
        raise _damaged(where, "the features do not fit together")
    if len(indices) and not (indices.min() >= 0 and indices.max() < width):
        raise _damaged(where, "the features name a column that is not there")
    matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(ids), width))
    labels = {}
    for column, names in meta["labels"].items():
        codes = _vector(tensors, f"labels.{column}", torch.int32, where).numpy()
        if len(codes) != len(ids) or (len(codes) and not (codes.min() >= -1 and codes.max() < len(names))):
            raise _damaged(where, f"the labels of {column} do not fit together")
        labels[column] = Labels(codes, np.array(names, dtype=object))
    return Features(matrix, tuple(meta["columns"]), ids, meta["side"], labels)


def _check_words(meta: dict[str, Any], where: str) -> None:
    """The side, the names of columns and the names of labels."""

    def texts(values: object) -> bool:
        return isinstance(values, list) and all(isinstance(value, str) for value in values)

    labels = meta.get("labels")
    if not (meta.get("side") in ("item", "user") and texts(meta.get("columns")) and isinstance(labels, dict)):
        raise _damaged(where, "the description of the features is missing or of another type")
    if not all(texts(names) for names in labels.values()):
        raise _damaged(where, "the names of labels are missing or of another type")


def _vector(tensors: dict[str, Tensor], name: str, dtype: torch.dtype, where: str) -> Tensor:
    tensor = tensors.get(name)
    if tensor is None or tensor.dtype != dtype or tensor.ndim != 1:
        raise _damaged(where, f"{name} is missing or of another type")
    return tensor


def _damaged(where: str, what: str) -> InputError:
    return InputError(f"{where} is damaged: {what}.")
