"""A fitted recommender as a folder: weights, the interactions it knows, and how it came about.

``run.json``                            names, options, history, versions, and the size and sha256 of every other file
``model-HASH.safetensors``              the model's state
``interactions-HASH.safetensors``       what it was built from, validated on, has shown and leaves out, with the caller's ids
``features.OPTION-HASH.safetensors``    features that the model was given as an option
``titles-HASH.safetensors``             names of items, where they were given
``PART.….safetensors``                  the same of a recommender that it was given as an option

A file's name holds a part of its checksum, so that a new version lies beside the old one until ``run.json``, which is
replaced in one move, names it. Nothing in the folder is code and nothing in it is run when it is read. Savings to one
folder wait for each other.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec._version import __version__
from graphrec.data.features import Features
from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.folder_files import RECORD, check_not_searched, foreign_file, has_nothing_saved
from graphrec.folder_lock import locked
from graphrec.models.base import Scorer, Solved
from graphrec.recommender.run_record import check_record
from graphrec.recommender.tables import (
    features_of,
    other_of,
    pack_features,
    pack_others,
    pack_seen,
    pack_tables,
    pack_titles,
    seen_of,
    tables_of,
    titles_of,
)
from graphrec.tensor_files import digest_of, pack, read_tensors, replace_file

__all__ = ["Artefact", "fill", "read", "write"]

FORMAT = 2
_OURS = re.compile(
    r"(.+\.)?(model|interactions|titles|features\.[^-]+)-[0-9a-f]{16}\.safetensors(\.\d+\.part)?|run\.json\.\d+\.part"
)
_ABANDONED = 3600.0  # seconds


@dataclass
class Artefact:
    """Everything a recommender is, as plain data.

    Attributes
    ----------
    model : str
        Name of the model, or ``module:class`` of a class that is not in the library's table.
    hyper : dict
        Keyword arguments of its constructor that JSON knows.
    fit_defaults : dict
        Options of fit that a preset gave.
    state : dict of str to Tensor
    built_from, shown : Interactions
    valid : Interactions or None
    fitted : dict
        The plain fields of :class:`graphrec.recommender.state.State`: selected, options, history, best_epoch, stage,
        origin, device, rates_after.
    features : dict of str to Features
        Further arguments of the constructor, by the option's name.
    parts : dict of str to Artefact
        The same for recommenders, such as the base of a hybrid.
    titles : Series or None
        Names of items by their ids.
    lent : Interactions or None
        Pairs that only the recommenders it stands on were trained on, or its weights before.
    seen : Interactions or None
        Pairs that it does not recommend though nothing was learnt from them.
    chosen : Interactions or None
        Pairs beyond `valid` that something of it was chosen on.
    taught : Interactions or None
        Pairs that it was trained on, where these are not those of `built_from`.
    """

    model: str
    hyper: dict[str, Any]
    fit_defaults: dict[str, Any]
    state: dict[str, Tensor]
    built_from: Interactions
    shown: Interactions
    valid: Interactions | None
    fitted: dict[str, Any]
    features: dict[str, Features] = field(default_factory=dict)
    parts: dict[str, Artefact] = field(default_factory=dict)
    titles: pd.Series[str] | None = None
    lent: Interactions | None = None
    seen: Interactions | None = None
    chosen: Interactions | None = None
    taught: Interactions | None = None


def write(
    folder: Path,
    artefact: Artefact,
    announce: Callable[[str], None] = lambda text: None,
    of_its_search: bool = False,
) -> None:
    """Write the folder, or leave it as it was.

    Parameters
    ----------
    folder : Path
    artefact : Artefact
    announce : callable
        Given the text of ``run.json`` when everything else is written, just before it takes its place.
    of_its_search : bool
        Whether the search that holds the folder is who writes.

    Raises
    ------
    InputError
        The recommender has options that cannot be written, or the folder is a file, holds something else than a run, or a
        search has begun there, which will save its own result.
    OSError
        A file could not be written; what was there before is still there.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; a recommender is saved in a folder.")
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"{folder} is a link to {folder.readlink()}, which is not there; make it, or remove the link.")
    if folder.is_dir() and (strange := foreign_file(folder)) is not None:
        raise InputError(
            f"{folder} holds {strange}, which no saved recommender consists of; "
            "give a new or empty folder, or an earlier run's."
        )
    if not of_its_search:
        check_not_searched(folder)
        if has_nothing_saved(folder):
            raise InputError(f"{folder} holds a search that has not come to its end, which would be lost; give another folder.")
    _check_finite(artefact)
    bodies: dict[str, list[bytes | memoryview]] = {}
    record = {"format": FORMAT, "graphrec": __version__, "torch": torch.__version__, **_record(artefact, "", bodies)}
    text = _with_checksum(record, artefact.model)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) as alone:
        before = set(_named_files(folder))
        made = []
        try:
            for name, body in bodies.items():
                if not (folder / name).exists():
                    made.append(name)
                replace_file(folder / name, *body)
            announce(text)
            replace_file(folder / RECORD, text.encode("utf-8"))
        except OSError:
            for name in set(made) - set(_named_files(folder)):  # it may have been the last step that failed
                (folder / name).unlink(missing_ok=True)
            raise
        for name in {*before, *_left_behind(folder, alone)} - set(bodies):
            (folder / name).unlink(missing_ok=True)


def _check_finite(artefact: Artefact) -> None:
    """Refuse a model that could not be loaded again, before it takes the place of one that can."""
    for name, tensor in artefact.state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"a recommender of {artefact.model} cannot be saved: {name} has numbers that are not finite.")
    for part in artefact.parts.values():
        _check_finite(part)


def read(folder: Path) -> Artefact:
    """Read a folder that :func:`write` made.

    Raises
    ------
    InputError
        The folder or one of its files is missing, damaged, or of another format.
    """
    text = _text(folder)
    try:
        return _artefact(_checked_record(folder, text), folder)
    except InputError:
        # Somebody may have saved anew since run.json was read. Whoever saves now is waited for.
        with locked(folder, shared=True):
            return _artefact(_checked_record(folder, _text(folder)), folder)


def fill(model: Scorer, artefact: Artefact, folder: Path) -> None:
    """Put the saved weights into a model that was built anew.

    Raises
    ------
    InputError
        A tensor is missing or of another shape or type, a number is not finite, or an index out of bounds.
    """
    dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    if unlike := sorted(dtypes.keys() ^ artefact.state.keys()):
        raise InputError(f"{folder} does not fit the model {artefact.model}: only one of them has {unlike[0]}.")
    for name, tensor in artefact.state.items():
        if tensor.dtype != dtypes[name] and {tensor.dtype, dtypes[name]} != {torch.int16, torch.int32}:
            raise InputError(f"{folder} does not fit the model {artefact.model}: {name} is of another type.")
        # The extremes are no numbers if any is none, and take no memory as a mask would.
        if tensor.is_floating_point() and tensor.numel() and not all(map(torch.isfinite, torch.aminmax(tensor))):
            raise InputError(f"{folder} is damaged: {name} has numbers that are not finite.")
    try:
        # What was solved is taken as it was read: its size may be most of the memory, and nothing else holds on to it.
        model.load_state_dict(artefact.state, assign=isinstance(model, Solved))
    except RuntimeError as error:
        raise InputError(f"{folder} does not fit the model {artefact.model}: {str(error).splitlines()[-1].strip()}") from None
    try:
        model.check_state()
    except InputError as error:
        raise InputError(f"{folder} is damaged: {error}") from None


# ---- from data to files ------------------------------------------------------------------------------


def _record(artefact: Artefact, prefix: str, bodies: dict[str, list[bytes | memoryview]]) -> dict[str, Any]:
    """What ``run.json`` says of a recommender; its files' contents go to `bodies` by name."""
    files = {}

    def add(piece: str, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        body = pack(tensors, {"kind": piece, **meta})
        digest = digest_of(*body)
        name = f"{prefix}{piece}-{digest[:16]}.safetensors"
        bodies[name] = body
        files[piece] = {"name": name, "bytes": sum(map(len, body)), "sha256": digest}

    add("model", artefact.state, {})
    tables, how = pack_tables(artefact.built_from, artefact.shown, artefact.valid)
    others = pack_others(lent=artefact.lent, chosen=artefact.chosen, taught=artefact.taught)
    add("interactions", tables | others | pack_seen(artefact.seen), how)
    for option, features in artefact.features.items():
        add(f"features.{option}", *pack_features(features))
    if artefact.titles is not None:
        add("titles", *pack_titles(artefact.titles, artefact.built_from))
    return {
        "model": artefact.model,
        "hyper": artefact.hyper,
        "fit_defaults": artefact.fit_defaults,
        **artefact.fitted,
        "files": files,
        "features": sorted(artefact.features),
        "parts": {name: _record(part, f"{prefix}{name}.", bodies) for name, part in artefact.parts.items()},
    }


def _with_checksum(record: dict[str, Any], model: str) -> str:
    try:
        text = json.dumps(record, default=_plain)
    except TypeError as error:
        raise InputError(
            f"a recommender of {model} cannot be saved: its options are objects that JSON does not know ({error})."
        ) from None
    record = json.loads(text)
    return json.dumps({**record, "checksum": _checksum(record)}, indent=1) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _checksum(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


# ---- from files to data ------------------------------------------------------------------------------


def _text(folder: Path) -> bytes:
    path = folder / RECORD
    if has_nothing_saved(folder):
        raise InputError(f"the search in {folder} has not come to its end; the same search, called again, goes on with it.")
    if not path.is_file():
        raise InputError(f"{folder} is not a saved recommender: it has no run.json.")
    return path.read_bytes()


def _checked_record(folder: Path, text: bytes) -> dict[str, Any]:
    path = folder / RECORD
    try:
        record = json.loads(text)
        version, checksum = record["format"], record.pop("checksum", None)
        right = _checksum(record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path} is damaged and cannot be read.") from None
    if version != FORMAT and checksum in (None, right):
        writer = record.get("graphrec", "another version")
        raise InputError(f"{folder} was saved by graphrec {writer}, in format {version}; this one reads format {FORMAT}.")
    if checksum != right:
        raise InputError(f"{path} is damaged, or was changed after it was saved.")
    check_record(record, str(path))
    return dict(record)


def record_in(folder: Path) -> dict[str, Any] | None:
    """What ``run.json`` says of the run in a folder, without reading its tensors; None where there is no readable one."""
    try:
        return _checked_record(folder, _text(folder))
    except InputError:
        return None


def _named_files(folder: Path) -> Iterator[str]:
    """The files that the run in a folder consists of; none where there is no readable run."""
    if (record := record_in(folder)) is None:
        return
    records = [record]
    for one in records:
        yield from (file["name"] for file in one["files"].values())
        records += one["parts"].values()


def _left_behind(folder: Path, alone: bool) -> Iterator[str]:
    """Files of savings that were killed; if others may be saving at this moment, only those that are not young."""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            try:
                age = time.time() - path.stat().st_mtime
            except FileNotFoundError:  # somebody else has tidied up
                continue
            if alone or age > _ABANDONED:
                yield path.name


def titles_in(folder: Path) -> pd.Series[str] | None:
    """The titles that a run was saved with, without reading its model; None where it has none, or they cannot be read."""
    if (record := record_in(folder)) is None or "titles" not in record["files"]:
        return None
    try:
        built_from, _, _ = tables_of(*_tensors_of(record, folder, "interactions"), str(folder))
        return titles_of(*_tensors_of(record, folder, "titles"), built_from, str(folder))
    except InputError:  # what is damaged is told of by whoever reads the run
        return None


def _tensors_of(record: Mapping[str, Any], folder: Path, piece: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    file = record["files"][piece]
    return read_tensors(folder / file["name"], file["sha256"])


def _artefact(record: dict[str, Any], folder: Path) -> Artefact:
    tensors_of = partial(_tensors_of, record, folder)
    tensors, how = tensors_of("interactions")
    built_from, shown, valid = tables_of(tensors, how, str(folder))
    return Artefact(
        model=record["model"],
        hyper=record["hyper"],
        fit_defaults=record["fit_defaults"],
        state=tensors_of("model")[0],
        built_from=built_from,
        shown=shown,
        valid=valid,
        fitted={name: record[name] for name in ("selected", "options", "history", "best_epoch", "stage")}
        | {name: record.get(name, none) for name, none in (("origin", {}), ("device", ""), ("rates_after", {}))},
        features={
            option: features_of(*tensors_of(f"features.{option}"), built_from, str(folder)) for option in record["features"]
        },
        parts={name: _artefact(part, folder) for name, part in record["parts"].items()},
        titles=titles_of(*tensors_of("titles"), built_from, str(folder)) if "titles" in record["files"] else None,
        lent=other_of("lent", tensors, built_from, str(folder)),
        chosen=other_of("chosen", tensors, built_from, str(folder)),
        taught=other_of("taught", tensors, built_from, str(folder)),
        seen=seen_of(tensors, str(folder)),
    )
