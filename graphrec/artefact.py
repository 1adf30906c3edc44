"""A trained recommender as a folder: weights, the interactions it knows, and how it came about.

``run.json``                  names, options, history, versions
``model.safetensors``         the model's state
``interactions.safetensors``  training and validation pairs with the caller's ids
``OPTION.safetensors``        features that the model was given as an option
``OPTION/``                   a recommender that it was given as an option, in the same form

Nothing in it is code and nothing in it is run when it is read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec._version import __version__
from graphrec.data.features import Features, Labels
from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.tensor_files import read_tensors, write_tensors

__all__ = ["Artefact", "read", "write"]

FORMAT = 1


@dataclass
class Artefact:
    """Everything a recommender is, as plain data.

    Attributes
    ----------
    model : str
        Name of the model, or ``module:class`` of a class that is not in the library's table.
    hyper : dict
        Keyword arguments of its constructor that JSON knows.
    state : dict of str to Tensor
    train : Interactions
        What the model was built from.
    valid : Interactions or None
    fit : dict
        Options of training.
    history : list of dict
    best_epoch : int or None
    features : dict of str to Features
        Further arguments of the constructor, by the option's name.
    parts : dict of str to Artefact
        The same for recommenders, such as the base of a hybrid.
    """

    model: str
    hyper: dict[str, Any]
    state: dict[str, Tensor]
    train: Interactions
    valid: Interactions | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    features: dict[str, Features] = field(default_factory=dict)
    parts: dict[str, Artefact] = field(default_factory=dict)


def write(folder: Path, artefact: Artefact) -> None:
    """Write the folder's files; ``run.json`` comes last, so a folder without it is no artefact."""
    record = {
        "format": FORMAT,
        "graphrec": __version__,
        "torch": torch.__version__,
        "model": artefact.model,
        "hyper": artefact.hyper,
        "fit": artefact.fit,
        "best_epoch": artefact.best_epoch,
        "history": artefact.history,
        "features": sorted(artefact.features),
        "parts": sorted(artefact.parts),
    }
    try:
        text = json.dumps(record, indent=1) + "\n"
    except TypeError as error:
        raise InputError(
            f"a recommender of {artefact.model} cannot be saved: its options are objects that JSON does not know ({error})."
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").unlink(missing_ok=True)
    for name, inner in artefact.parts.items():
        write(folder / name, inner)
    for name, features in artefact.features.items():
        write_tensors(folder / f"{name}.safetensors", *_of_features(features))
    write_tensors(folder / "model.safetensors", artefact.state, {"kind": "model"})
    tensors = _table("train", artefact.train)
    if artefact.valid is not None:
        tensors |= _table("valid", artefact.valid)
    meta = {"kind": "interactions"}
    for kind, ids in (("user_ids", artefact.train.user_ids), ("item_ids", artefact.train.item_ids)):
        if np.issubdtype(ids.dtype, np.integer):
            tensors[kind] = torch.tensor(ids.astype(np.int64))
        else:
            meta[kind] = json.dumps([str(value) for value in ids])
    write_tensors(folder / "interactions.safetensors", tensors, meta)
    part = folder / "run.json.part"
    part.write_text(text)
    os.replace(part, folder / "run.json")


def read(folder: Path) -> Artefact:
    """Read a folder that :func:`write` made.

    Raises
    ------
    InputError
        The folder or one of its files is missing, damaged, or of a later format.
    """
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder} is not a saved recommender: it has no run.json.")
    try:
        record = json.loads((folder / "run.json").read_text())
        version = record["format"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{folder / 'run.json'} is damaged and cannot be read.") from None
    if version > FORMAT:
        raise InputError(f"{folder} was saved by graphrec {record['graphrec']}, in a format that {__version__} does not know.")
    state, _ = read_tensors(folder / "model.safetensors")
    tensors, meta = read_tensors(folder / "interactions.safetensors")
    user_ids, item_ids = (
        tensors[kind].numpy() if kind in tensors else np.array(json.loads(meta[kind]), dtype=object)
        for kind in ("user_ids", "item_ids")
    )
    train = _interactions("train", tensors, user_ids, item_ids)
    valid = _interactions("valid", tensors, user_ids, item_ids) if "valid.users" in tensors else None
    return Artefact(
        record["model"],
        record["hyper"],
        state,
        train,
        valid,
        record["fit"],
        record["history"],
        record["best_epoch"],
        {name: _features(folder / f"{name}.safetensors", train) for name in record.get("features", [])},
        {name: read(folder / name) for name in record.get("parts", [])},
    )


def _of_features(features: Features) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The matrix in compressed rows and the codes of the labels; the ids are those of the training table."""
    matrix, labels = features.matrix, features.labels
    arrays = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    arrays |= {f"labels.{column}": of.codes for column, of in labels.items()}
    names = {column: [str(name) for name in of.names] for column, of in labels.items()}
    meta = {"kind": "features", "side": features.side, "columns": list(features.columns), "labels": names}
    return {name: torch.tensor(array) for name, array in arrays.items()}, meta


def _features(path: Path, train: Interactions) -> Features:
    tensors, meta = read_tensors(path)
    ids = train.item_ids if meta["side"] == "item" else train.user_ids
    arrays = tuple(tensors[name].numpy() for name in ("data", "indices", "indptr"))
    matrix = sparse.csr_matrix(arrays, shape=(len(ids), len(meta["columns"])))
    labels = {
        column: Labels(tensors[f"labels.{column}"].numpy(), np.array(names, dtype=object))
        for column, names in meta["labels"].items()
    }
    return Features(matrix, tuple(meta["columns"]), ids, meta["side"], labels)


def _table(part: str, table: Interactions) -> dict[str, Tensor]:
    columns = {"users": table.users, "items": table.items, "ratings": table.ratings, "times": table.times}
    return {f"{part}.{name}": torch.tensor(column) for name, column in columns.items() if column is not None}


def _interactions(
    part: str, tensors: dict[str, Tensor], user_ids: npt.NDArray[Any], item_ids: npt.NDArray[Any]
) -> Interactions:
    ratings, times = tensors.get(f"{part}.ratings"), tensors.get(f"{part}.times")
    return Interactions(
        tensors[f"{part}.users"].numpy(),
        tensors[f"{part}.items"].numpy(),
        user_ids,
        item_ids,
        None if ratings is None else ratings.numpy(),
        None if times is None else times.numpy(),
    )
