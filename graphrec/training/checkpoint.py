"""The state of a training on disk: a file that is replaced after every epoch, and read back only if it is this training's."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphrec.errors import InputError
from graphrec.folder_lock import locked
from graphrec.tensor_files import read_tensors, write_tensors
from graphrec.training.fingerprint import refuse_another
from graphrec.training.table_files import read_parts, remove_parts

__all__ = ["Checkpoint", "flatten_optimizer", "restore_optimizer"]

FORMAT = 2


class Checkpoint:
    """A folder that keeps the state of one training.

    Parameters
    ----------
    folder : Path
        Made if need be, before anything is trained.
    fingerprint : mapping
        What the training is, see :mod:`graphrec.training.fingerprint`.

    Raises
    ------
    InputError
        `folder` is a file.
    """

    name = "checkpoint.safetensors"

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"checkpoint must be a folder, and {folder} is, or lies in, a file.") from None
        self.folder = folder
        self.path = folder / self.name
        self.fingerprint = fingerprint

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts, no other training keeps its state here.

        Raises
        ------
        InputError
            One does so now.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder, wait=False))
            except BlockingIOError:
                raise InputError(
                    f"another training is writing its checkpoint into {self.folder}: wait for its end, or name another folder."
                ) from None
            yield

    def announce(self, resume: bool) -> None:
        """Say what would else be silent: an older state that will be replaced, or none where one was to be resumed."""
        if self.path.exists() and not resume:
            warnings.warn(
                f"{self.folder} has the state of an earlier training, which this one replaces after its first epoch; "
                "resume=True goes on from it.",
                stacklevel=6,
            )
        if resume and not self.path.exists():
            warnings.warn(f"{self.folder} has no state to resume yet: training begins with its first epoch.", stacklevel=6)

    def write(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Replace the file; if that fails the older one is still there."""
        kept = {"format": FORMAT, "fingerprint": self.fingerprint, "threads": torch.get_num_threads(), **meta}
        for part in ("callbacks", "own"):
            for name, state in meta[part].items():
                _check_json(name, state)
        write_tensors(self.path, tensors, kept)
        remove_parts(self.folder, but=meta.get("parts", ()))

    def read(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """Tensors by the first part of their name and by the rest of it, and the record; None before the first epoch.

        Raises
        ------
        InputError
            The file is damaged, of another version, or another training's.
        """
        if not self.path.exists():
            return None
        tensors, meta = read_tensors(self.path)
        if meta.get("format") != FORMAT:
            raise InputError(f"{self.path} was written by another version of graphrec and cannot be resumed by this one.")
        refuse_another(self.folder, meta["fingerprint"], self.fingerprint)
        if meta["threads"] != torch.get_num_threads():
            warnings.warn(
                f"{self.folder} was trained on {meta['threads']} threads and goes on with {torch.get_num_threads()}: sums are "
                "rounded in another order, so that the weights may not be those of an unbroken training.",
                stacklevel=5,
            )
        tensors |= self._parts(meta)
        groups: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, name = key.split(".", 1)
            groups.setdefault(kind, {})[name] = tensor
        return groups, meta

    def _parts(self, meta: Mapping[str, Any]) -> dict[str, Tensor]:
        """What several processes have written beside the file, whole."""
        return read_parts(self.folder, meta.get("parts", ()))

    def load_model(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Give a model its state back.

        Raises
        ------
        InputError
            Names, shapes or types are not the model's, or a parameter is not finite.
        """
        own = model.state_dict()
        fits = own.keys() == tensors.keys() and all(
            own[name].shape == tensor.shape and own[name].dtype == tensor.dtype for name, tensor in tensors.items()
        )
        if not fits:
            raise InputError(
                f"{self.folder} holds another model or another data set's weights; choose another checkpoint folder."
            )
        for name, _ in model.named_parameters():
            if not bool(tensors[name].isfinite().all()):
                raise InputError(f"{self.path} has a value in {name} that is not finite; it cannot be resumed.")
        model.load_state_dict(tensors)


def _check_json(name: str, state: object) -> None:
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        raise InputError(f"state_dict() of {name} must hold numbers, words, lists and dictionaries only: {error}.") from None


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors, named by parameter and entry, and JSON-able numbers."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                numbers.setdefault(str(index), {})[name] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """The inverse of :func:`flatten_optimizer`."""
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in record["numbers"].items()}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        shape = parameters[int(index)].shape
        if tensor.ndim and tensor.shape != shape and tensor.shape != (*shape[:1], 1):  # a number for each row is a state, too
            raise InputError(
                f"the checkpoint's {name} of parameter {index} has shape {tuple(tensor.shape)}, not the parameter's."
            )
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": record["groups"]})
