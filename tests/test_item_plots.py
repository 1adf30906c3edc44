"""Plots of item embeddings: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from graphrec.errors import InputError
from graphrec.report.item_plots import plot_item_components


def test_components_show_the_titles_at_both_ends() -> None:
    vectors = np.zeros((7, 3))
    vectors[:, 1] = [5, -9, 1, 0, -1, 9, -5]
    axes = plot_item_components(vectors, list("abcdefg"), component=0, n=2).axes[0]
    labels = {label.get_text() for label in axes.get_yticklabels()}
    assert labels & set("abcdefg") == {"a", "b", "f", "g"}


def test_another_number_of_titles_is_refused() -> None:
    with pytest.raises(InputError, match="3 vectors and titles"):
        plot_item_components(np.eye(3), ["a"])
