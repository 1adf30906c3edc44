"""Training states on disk: one safetensors file, written whole or not at all, that runs no code when read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["flatten_optimizer", "read_tensors", "restore_optimizer", "write_tensors"]


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write named tensors and a JSON-able record; an existing file is replaced in one move.

    Parameters
    ----------
    path : Path
        Its folder must exist.
    tensors : dict of str to Tensor
    meta : dict
        Anything ``json.dumps`` takes.
    """
    part = path.with_name(path.name + ".part")
    # clone: safetensors refuses tensors that share memory, such as two views of one table
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(plain, str(part), metadata={"graphrec": json.dumps(meta)})
    os.replace(part, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of :func:`write_tensors`.

    Raises
    ------
    InputError
        The file is missing, truncated or not one of ours.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    try:
        with safe_open(str(path), framework="pt") as file:
            record = (file.metadata() or {}).get("graphrec")
            if record is None:
                raise InputError(f"{path} was not written by graphrec.")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(record)  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is damaged and cannot be read ({error}).") from None


def flatten_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into named tensors and JSON-able numbers."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}.{index}.{name}"] = value
            else:
                numbers.setdefault(str(index), {})[name] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def restore_optimizer(
    prefix: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], record: dict[str, Any]
) -> None:
    """The inverse of :func:`flatten_optimizer`."""
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in record["numbers"].items()}
    for key, tensor in tensors.items():
        if key.startswith(prefix + "."):
            index, name = key.removeprefix(prefix + ".").split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": record["groups"]})
