"""What is asked of a column that pyarrow has read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NO_VALUE", "blank_texts", "decoded", "gaps_of", "with_nul"]

# fmt: off
NO_VALUE = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
]
# fmt: on
"""What pandas, and so ``read_csv``, takes for no value."""


def decoded(batch: Any) -> Any:
    """Categories as what they stand for."""
    import pyarrow as pa

    columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def gaps_of(column: Any) -> npt.NDArray[np.bool_]:
    """Where there is no value, NaN among them."""
    import pyarrow.compute as pc

    gaps: npt.NDArray[np.bool_] = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
    return gaps


def blank_texts(column: Any) -> npt.NDArray[np.bool_]:
    """Where an id is the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return np.zeros(len(column), bool)
    blank: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(pc.binary_length(column), 0), False).to_numpy(zero_copy_only=False)
    return blank


def with_nul(column: Any) -> npt.NDArray[np.bool_]:
    """Where a text of a text file has a NUL character."""
    import pyarrow.compute as pc

    found: npt.NDArray[np.bool_] = pc.fill_null(pc.match_substring(column, "\0"), False).to_numpy(zero_copy_only=False)
    return found
