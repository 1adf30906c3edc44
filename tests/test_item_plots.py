"""Plots of item embeddings and learning rates: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from graphrec.errors import InputError
from graphrec.report.item_plots import plot_item_components, plot_learning_rate


def test_components_show_the_titles_at_both_ends() -> None:
    vectors = np.zeros((7, 3))
    vectors[:, 1] = [5, -9, 1, 0, -1, 9, -5]
    axes = plot_item_components(vectors, list("abcdefg"), components=1, ends=2).axes[0]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown in (["b", "g", "a", "f"], ["f", "a", "g", "b"])
    assert sorted(abs(bar.get_width()) for bar in axes.patches) == pytest.approx([5, 5, 9, 9])


def test_learning_rates_are_drawn_as_given() -> None:
    figure = plot_learning_rate({"a": np.array([0.1, 0.2]), "b": np.array([0.3])})
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [0.1, 0.2])


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="3 item vectors and 1 titles"):
        plot_item_components(np.zeros((3, 2)), ["a"])
    with pytest.raises(InputError, match="components must be between 1 and 2"):
        plot_item_components(np.zeros((4, 2)), list("abcd"), components=3)
    with pytest.raises(InputError, match="ends must be between 1 and half"):
        plot_item_components(np.zeros((4, 2)), list("abcd"), ends=3)
    with pytest.raises(InputError, match="at least one schedule"):
        plot_learning_rate({})
