"""A short name for a set of pairs, by which two tables are known to hold the same ones."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fingerprint_of"]


def fingerprint_of(keys: npt.NDArray[np.int64], user_ids: npt.NDArray[Any], item_ids: npt.NDArray[Any]) -> str:
    """Hash of distinct pairs and of the ids that their indices stand for.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
        Distinct, ascending: ``user * n_items + item``.
    user_ids, item_ids : ndarray, shapes (n_users,) and (n_items,)

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b). The number 1 and the text "1" are different ids; the width of an integer
        and the way in which text is stored make no difference.
    """
    digest = hashlib.blake2b(np.array([len(user_ids), len(item_ids), len(keys)], np.int64).tobytes(), digest_size=16)
    digest.update(keys.astype(np.int64).tobytes())
    for ids in (user_ids, item_ids):
        if np.issubdtype(ids.dtype, np.integer):
            digest.update(b"integers")
            digest.update(ids.astype(np.int64).tobytes())
        else:
            texts = [str(value).encode() for value in ids]
            # The lengths go first: "a", "bc" are other ids than "ab", "c".
            digest.update(b"text" if ids.dtype.kind in "OU" else ids.dtype.str.encode())
            digest.update(np.array([len(text) for text in texts], np.int64).tobytes() + b"".join(texts))
    return digest.hexdigest()
