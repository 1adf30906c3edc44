"""How several processes share a model: by columns where nothing mixes them, by rows otherwise."""

from __future__ import annotations

from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.group import Group
from graphrec.distributed.rows import SharedRows
from graphrec.errors import InputError
from graphrec.models.base import Model

__all__ = ["sentence", "shared"]


def shared(model: Model, group: Group) -> SharedColumns | SharedRows:
    """A model made ready to be cut, in the way that it declares; columns send less, and come first.

    Raises
    ------
    InputError
        It declares neither, or its tables are too small for so many processes.
    """
    if model.column_tables() is not None:
        return SharedColumns(model, group)
    if model.owned_rows() is not None:
        return SharedRows(model, group)
    raise InputError(
        f"{type(model).__name__}, as it is set up here, cannot be trained by several processes. These can, each with some "
        "columns of every table: lightgcn, lightgcn-fast, sgl, simgcl, xsimgcl, lrgccf without transform, and mf without "
        "bias, dropout and rating_range. And these, each with some rows: ngcf, neumf, gmf, mlp, ncf, and mf without dropout."
    )


def sentence(cut: SharedColumns | SharedRows) -> str:
    """How a model is shared, for the one who has asked for it."""
    name, size, columns = type(cut.model).__name__, cut.group.size, isinstance(cut, SharedColumns)
    if size == 1:
        return f"1 process has {name} to itself, cut by {'columns' if columns else 'rows'} as several would."
    if columns:
        return f"{size} processes share {name} by columns: each has some dimensions of every row, and scores are added up."
    return (
        f"{size} processes share {name} by rows: each has its own users and items, and sends their rows where they are needed."
    )
