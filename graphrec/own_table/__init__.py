"""A table of one's own on the command line: what is said of it, its rows, and its parts."""

from graphrec.own_table.options import TableOptions, is_made_table, is_named, is_table, policy_of, refuse_options, table_columns
from graphrec.own_table.parts import SPLITS, read_more, refuse_final, split_again, split_table

__all__ = [
    "SPLITS",
    "TableOptions",
    "is_made_table",
    "is_named",
    "is_table",
    "policy_of",
    "read_more",
    "refuse_final",
    "refuse_options",
    "split_again",
    "split_table",
    "table_columns",
]
