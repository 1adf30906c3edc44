"""Lines of indices against a loop over lines, for any layout of blanks."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.data.index_lines import format_index_lines, parse_index_lines


def slow_parse(text):
    found, users = [], []
    for line in text.split("\n"):
        tokens = line.split()
        users += tokens[:1]
        found += [(int(tokens[0]), int(item)) for item in tokens[1:]]
    return found, max(map(int, users)) + 1


blank = st.sampled_from([" ", "  ", "\t", " \t "])
ending = st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\n  \n"])


@settings(deadline=None)
@given(
    lines=st.dictionaries(st.integers(0, 10**8), st.lists(st.integers(0, 999_999_999), unique=True, max_size=6), min_size=1),
    data=st.data(),
)
def test_any_layout_of_blanks_parses_as_a_loop_would(lines, data):
    text = data.draw(st.sampled_from(["", "\n", "  "]))
    for user, items in lines.items():
        text += "".join(f"{token}{data.draw(blank)}" for token in [user, *items]) + data.draw(ending)
    if data.draw(st.booleans()):
        text = text.rstrip()
    users, items, n_users = parse_index_lines(text.encode(), "f")
    assert (list(zip(users.tolist(), items.tolist(), strict=True)), n_users) == slow_parse(text)
    assert users.dtype == items.dtype == np.int32


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), unique=True, min_size=1))
def test_written_lines_are_read_back_in_order(rows):
    users, items = np.array(rows, np.int32).T
    text = format_index_lines(users, items, n_users=12)
    again_users, again_items, n_users = parse_index_lines(text, "f")
    order = np.argsort(users, kind="stable")
    assert n_users == 12, "the last user has a line of its own"
    assert again_users.tolist() == users[order].tolist()
    assert again_items.tolist() == items[order].tolist()
    firsts = [int(line.split()[0]) for line in text.decode().splitlines()]
    assert all(a < b for a, b in pairwise(firsts))
