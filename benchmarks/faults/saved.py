"""Damaged and forged runs and checkpoints. They have checksums: another answer than the undamaged one's is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import graphrec as gr
from benchmarks.faults.damage import damaged
from benchmarks.faults.subjects import HOW, answers, equal, fitted, state_of, table
from benchmarks.faults.tries import Attack, Try, Wrong
from graphrec.errors import InputError
from graphrec.tensor_files import pack, read_tensors

__all__ = ["ATTACKS"]

MODELS = ("lightgcn", "itemknn", "multvae", "hybrid")


def _damaged_run(model: str) -> Callable[[Path], Try]:
    def make(folder: Path) -> Try:
        rec = fitted(model)
        rec.save(folder / "run")
        expected = answers(rec)
        files = sorted((folder / "run").iterdir())
        whole = {path: path.read_bytes() for path in files}

        def attempt(generator: np.random.Generator) -> None:
            path = files[generator.integers(len(files))]
            path.write_bytes(damaged(whole[path], generator))
            try:
                again = gr.load(folder / "run")
            finally:
                path.write_bytes(whole[path])
            if not equal(answers(again), expected):
                raise Wrong(f"damage to {path.name} changed the answers")

        return attempt

    return make


# ---- forgeries -----------------------------------------------------------------------------------------

_STRANGE: list[Any] = [None, True, "", "abc", "model", "../run", -1, 0, 3, 1.5, -0.0, float("nan"), float("inf"), [], {}]
_STRANGE += [["a"], [[-1]], {"a": {"b": []}}, "x" * 5000, "\ud800", "é\0", 2**70]


def _forged_run(model: str) -> Callable[[Path], Try]:
    def make(folder: Path) -> Try:
        fitted(model).save(folder / "run")
        whole = {path: path.read_bytes() for path in sorted((folder / "run").iterdir())}

        def attempt(generator: np.random.Generator) -> None:
            record = json.loads(whole[folder / "run" / "run.json"])
            forge = _forge_tensors if generator.random() < 0.5 else _forge_field
            forge(record, folder / "run", generator)
            del record["checksum"]
            checksum = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
            (folder / "run" / "run.json").write_text(json.dumps({**record, "checksum": checksum}))
            try:
                answers(gr.load(folder / "run"))
            except FloatingPointError as error:  # what a question raises for scores that are no finite numbers
                raise InputError(str(error)) from None
            finally:
                for path in (folder / "run").iterdir():
                    if path not in whole:
                        path.unlink()
                (folder / "run" / "run.json").write_bytes(whole[folder / "run" / "run.json"])

        return attempt

    return make


def _places(record: Any) -> list[tuple[Any, Any]]:
    """Every container in a record, with every key in it."""
    pairs = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    pairs = list(pairs)
    return [(record, key) for key, _ in pairs] + [place for _, value in pairs for place in _places(value)]


def _forge_field(record: dict[str, Any], folder: Path, generator: np.random.Generator) -> None:
    """One field is another, is gone, or has a neighbour more."""
    field = [key for key in record if key not in ("checksum", "format")][generator.integers(len(record) - 2)]
    places = [(record, field), *_places(record[field])]
    container, key = places[generator.integers(len(places))]
    # Among the options of a model there is no huge number: a valid one may ask for more work than anybody has time for.
    strange = _STRANGE[generator.integers(len(_STRANGE) - (field == "hyper"))]
    how = generator.random()
    if how < 0.8:
        container[key] = strange
    elif how < 0.9 or not isinstance(container, dict):
        del container[key]
    else:
        container[["model", "self", "train", "dim", "path", "é"][generator.integers(6)]] = strange


def _forge_tensors(record: dict[str, Any], folder: Path, generator: np.random.Generator) -> None:
    """One tensor of one file is another, and every checksum is right."""
    records = [record]
    for one in records:
        records += one["parts"].values()
    files = [file for one in records for file in one["files"].values()]
    file = files[generator.integers(len(files))]
    tensors, meta = read_tensors(folder / file["name"])
    name = list(tensors)[generator.integers(len(tensors))]
    tensors |= {name: _strange_tensor(tensors[name], generator)}
    if generator.random() < 0.1:
        tensors[f"{name}2"] = tensors[name]
    elif generator.random() < 0.1:
        del tensors[name]
    if generator.random() < 0.2:
        places = _places(meta)
        container, key = places[generator.integers(len(places))]
        container[key] = _STRANGE[generator.integers(len(_STRANGE))]
    forged = b"".join(pack(tensors, meta))
    digest = hashlib.sha256(forged).hexdigest()
    file |= {"name": f"model-{digest[:16]}.safetensors", "bytes": len(forged), "sha256": digest}
    (folder / file["name"]).write_bytes(forged)


def _strange_tensor(tensor: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    shape = tuple(tensor.shape)
    noise = torch.from_numpy(generator.integers(-(2**31), 2**31, shape))
    kinds = (torch.float16, torch.float64, torch.int8, torch.int64, torch.bool, torch.complex64)
    ways: list[Callable[[], torch.Tensor]] = [
        lambda: noise.to(tensor.dtype),
        lambda: tensor.to(kinds[generator.integers(len(kinds))]),
        lambda: torch.zeros_like(tensor),
        lambda: tensor[:-1].clone() if tensor.ndim else tensor.reshape(1),
        lambda: torch.cat([tensor, tensor]) if tensor.ndim else tensor.reshape(1, 1),
        lambda: tensor[:0].clone() if tensor.ndim else tensor.reshape(1),
        lambda: tensor.unsqueeze(0),
        lambda: tensor.flip(0) if tensor.ndim else tensor,
        lambda: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else torch.full_like(tensor, -1),
        lambda: torch.where(noise % 7 == 0, noise.to(tensor.dtype), tensor),
    ]
    return ways[generator.integers(len(ways))]()


# ---- checkpoints ---------------------------------------------------------------------------------------


def _damaged_checkpoint(folder: Path) -> Try:
    inter, how = table(), {**HOW, "epochs": 3}
    gr.Recommender("mf", dim=4).fit(inter, checkpoint=folder / "run", **{**how, "epochs": 2})
    path = folder / "run" / "checkpoint.safetensors"
    whole = path.read_bytes()
    expected = state_of(gr.Recommender("mf", dim=4).fit(inter, **how))

    def attempt(generator: np.random.Generator) -> None:
        path.write_bytes(damaged(whole, generator))
        rec = gr.Recommender("mf", dim=4).fit(inter, checkpoint=folder / "run", resume=True, **how)
        if not equal(state_of(rec), expected):
            raise Wrong("a damaged checkpoint was resumed to other weights or another history")

    return attempt


ATTACKS = [
    *(Attack(f"run-{model}", f"load, a saved {model}, damaged bytes", _damaged_run(model)) for model in MODELS),
    *(
        Attack(f"forged-{model}", f"load, a saved {model}, forged fields and tensors under right checksums", _forged_run(model))
        for model in MODELS
    ),
    Attack("checkpoint", "fit(resume=True), a checkpoint, damaged bytes", _damaged_checkpoint),
]
