"""What ``run.json`` may say. Its checksum tells of damage; whoever writes a record by hand can compute it, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphrec.errors import InputError

__all__ = ["check_record"]

_FIELDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "hyper": (dict,),
    "fit_defaults": (dict,),
    "selected": (bool,),
    "options": (dict,),
    "history": (list,),
    "best_epoch": (int, type(None)),
    "stage": (int,),
    "files": (dict,),
    "features": (list,),
    "parts": (dict,),
}


def check_record(record: Mapping[str, Any], where: str) -> None:
    """Refuse a record whose fields are missing or of other types, or that names files outside of its folder.

    Parameters
    ----------
    record : mapping
        As JSON gave it.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        The message names the field.
    """
    pending: list[object] = [record]
    for one in pending:
        if not isinstance(one, Mapping):
            raise _damaged(where, "parts")
        for name, kinds in _FIELDS.items():
            if name not in one or not isinstance(one[name], kinds) or (isinstance(one[name], bool) and bool not in kinds):
                raise _damaged(where, name)
        if not all(isinstance(row, dict) for row in one["history"]):
            raise _damaged(where, "history")
        if not all(isinstance(option, str) for option in one["features"]):
            raise _damaged(where, "features")
        for piece in ("model", "interactions", *(f"features.{option}" for option in one["features"])):
            _check_file(piece, one["files"].get(piece), where)
        for name in ("origin", "rates_after"):  # absent from runs of earlier versions
            if not isinstance(one.get(name, {}), dict):
                raise _damaged(where, name)
        if not isinstance(one.get("device", ""), str):
            raise _damaged(where, "device")
        if "titles" in one["files"]:
            _check_file("titles", one["files"]["titles"], where)
        if len(one["files"]) != 2 + len(set(one["features"])) + ("titles" in one["files"]):
            raise _damaged(where, "files")
        pending += one["parts"].values()


def _check_file(piece: str, file: object, where: str) -> None:
    if not isinstance(file, dict) or not all(isinstance(file.get(name), str) for name in ("name", "sha256")):
        raise _damaged(where, f"files: {piece}")
    name = file["name"]
    # A path would be read from elsewhere, and removed there by the next saving.
    if not name.endswith(".safetensors") or any(character in name for character in "/\\\0:"):
        raise InputError(f"{where} names {name!r} as its {piece}, which is no file of its folder.")


def _damaged(where: str, what: str) -> InputError:
    return InputError(f"{where} is damaged: {what} is missing or of another type.")
