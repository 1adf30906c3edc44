"""pandas and scipy.sparse, imported when they are first used: each a fifth of a second that not every program needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["pandas", "sparse"]


class _Deferred:
    """Stands for a module; looking anything up in it imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


if TYPE_CHECKING:
    import pandas
    from scipy import sparse
else:
    pandas = _Deferred("pandas")
    sparse = _Deferred("scipy.sparse")
