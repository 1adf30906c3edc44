"""Ratings that a fit does not read are said once, by what it reads."""

import warnings

import numpy as np
import pytest

import graphrec as gr

FIT = {"epochs": 1, "batch_size": 256, "seed": 0, "progress": False}


def said(name, table, valid=None, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gr.Recommender(name).fit(table, valid=valid, **options)
    return [w for w in caught if "does not read them" in str(w.message)]


@pytest.mark.parametrize(("name", "options"), [("mf", FIT), ("mf", {**FIT, "loss": "bce"}), ("multdae", FIT), ("ease", {})])
def test_ratings_that_are_not_read_are_said_once_where_fit_was_called(interactions, name, options):
    split = gr.split.random(interactions, test=0.1, valid=0.1, seed=0)
    refit = {"refit": True} if options else {}
    (warning,) = said(name, split.train, split.valid, **options, **refit)
    assert str(warning.message) == (
        f"the table has ratings from 1 to 5 and {name} does not read them: every pair counts as liked, low ratings too. "
        "interactions.binarize(min_rating=4) keeps the high ones, and binarize() says that all count."
    )
    assert warning.category is UserWarning
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("name", "options"),
    [("bias", {}), ("mf", {**FIT, "loss": "mse"}), ("autoencoder", FIT), ("multdae", {**FIT, "loss": "masked_mse"})],
)
def test_nothing_is_said_where_they_are_read(interactions, name, options):
    assert not said(name, interactions, **options)


def test_nothing_is_said_of_an_objective_that_sees_the_table(interactions):
    class Own:
        def sampler(self, train, generator):
            return [0]

        def __call__(self, model, batch):
            return model.encode().users.full().square().sum()

    assert not said("mf", interactions, loss=Own(), epochs=1, progress=False)


def test_nothing_is_said_of_constant_ratings_or_none(interactions):
    assert not said("itempop", interactions.binarize())
    assert not said("itempop", gr.Interactions.from_indices([0, 1], [0, 1], [3.0, 3.0]))


@pytest.mark.parametrize(("ratings", "least"), [([0.5, 3.5, 4, 5], 4), ([1, 2, 1, 2], 2), ([-10, 0, 4, 10], 10)])
def test_the_advice_leaves_something(ratings, least):
    table = gr.Interactions.from_indices([0, 0, 1, 1], [0, 1, 0, 1], ratings)
    (warning,) = said("itempop", table)
    assert f"binarize(min_rating={least})" in str(warning.message)
    assert len(table.binarize(least)) >= 1


def test_binarize_without_a_least_rating_keeps_every_row():
    table = gr.Interactions.from_indices([0, 1], [0, 1], [-10.0, 10.0])
    assert len(table.binarize()) == 2
    assert table.binarize().ratings is None
    np.testing.assert_array_equal(table.binarize().users, table.users)
