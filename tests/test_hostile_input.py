"""What a hostile tester has found to be taken in silence, or with a traceback."""

from inspect import signature

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.models import Encoding, Model, Table, embedding

HOW = {"epochs": 1, "progress": False}


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions.binarize(), test=0.2, valid=0.1, seed=2)


@pytest.mark.parametrize("which", ["users", "items"])
@pytest.mark.parametrize("change", [lambda rows: torch.cat([rows * 0, rows]), lambda rows: rows[:-1], lambda rows: rows[:, 0]])
def test_tables_of_another_size_are_refused(split, which, change):
    class Odd(Model):
        def __init__(self, train):
            super().__init__(train)
            self.of_users, self.of_items = embedding(self.n_users, 4), embedding(self.n_items, 4)

        def encode(self):
            tables = {"users": self.of_users, "items": self.of_items}
            rows = {name: change(table) if name == which else table for name, table in tables.items()}
            return Encoding(Table(rows["users"]), Table(rows["items"]))

    with pytest.raises(
        InputError, match=rf"Odd\.encode\(\) gives {which} of shape .*there must be a row for each of the \d+ {which}"
    ):
        gr.Recommender(Odd).fit(split.train, loss="bpr", **HOW)


@pytest.mark.parametrize("name", [name for name, kind in gr.models.MODELS.items() if "init_std" in signature(kind).parameters])
def test_no_table_starts_from_zeros(split, name):
    with pytest.raises(InputError, match=r"^init_std must be above 0"):
        gr.Recommender(name, init_std=0.0).fit(split.train, **HOW)


@pytest.mark.parametrize("option", ["refit", "resume", "warm_start"])
def test_a_word_is_no_flag(split, option):
    with pytest.raises(InputError, match=f"{option} must be True or False, got 'False'"):
        gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, **HOW, **{option: "False"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 5}, "seed is of the negatives"),
        ({"metrics": []}, "metrics must be a list of names"),
        ({"metrics": "ndcg@5"}, "metrics must be a list of names"),
        ({"filter_seen": "no"}, "filter_seen must be True or False"),
        ({"k": 1.0}, "k must be a whole number, got 1.0"),
        ({"k": []}, "k must be a whole number"),
        ({"k": "20"}, "k must be a whole number, got '20'"),
    ],
)
def test_options_of_an_evaluation(split, options, message):
    rec = gr.Recommender("itempop").fit(split.train)
    with pytest.raises(InputError, match=message):
        gr.evaluate(rec, split.test, **options)


def test_lengths_may_be_an_array_and_lists_are_filtered_by_a_flag(split):
    rec = gr.Recommender("itempop").fit(split.train)
    assert {"recall@3", "recall@5"} <= set(gr.evaluate(rec, split.test, k=np.array([3, 5])).mean)
    with pytest.raises(InputError, match="filter_seen must be True or False"):
        rec.recommend(split.train.user_ids[0], filter_seen="False")


def test_a_number_with_leading_zeros_is_another_id(split, tmp_path):
    gr.Recommender("itempop").fit(split.train).save(tmp_path / "run")
    for command in ("recommend", "similar"):
        option = "--user" if command == "recommend" else "--item"
        done = CliRunner().invoke(main, [command, str(tmp_path / "run"), option, "007"])
        assert done.exit_code == 1
        assert f"{option} '007': the ids of this data are whole numbers, without leading zeros" in done.output


def test_one_report_is_not_several_seeds(split):
    report = gr.evaluate(gr.Recommender("itempop").fit(split.train), split, k=5)
    with pytest.raises(InputError, match="runs of 'a' hold one report twice"):
        gr.compare({"a": [report, report], "b": report})


def test_rows_of_two_widths_have_no_dot_product(split):
    class Odd(Model):
        def __init__(self, train):
            super().__init__(train)
            self.of_users, self.of_items = embedding(self.n_users, 4), embedding(self.n_items, 5)

        def encode(self):
            return Encoding(Table(self.of_users), Table(self.of_items))

    with pytest.raises(InputError, match=r"Odd\.encode\(\) gives users of 4 and items of 5 dimensions"):
        gr.Recommender(Odd).fit(split.train, loss="bpr", **HOW)


def test_an_older_checkpoint_is_not_replaced_in_silence(split, tmp_path):
    folder = tmp_path / "state"
    with pytest.warns(UserWarning, match="has no state to resume yet"):
        gr.Recommender("mf").fit(split.train, checkpoint=folder, resume=True, **HOW)
    with pytest.warns(UserWarning, match="has the state of an earlier training, which this one replaces"):
        gr.Recommender("mf").fit(split.train, checkpoint=folder, **HOW)


def test_validation_on_training_pairs_is_refused_before_training(split):
    with pytest.raises(InputError, match=r"validation pairs are in train, first at row 0: .*Select on held-out pairs"):
        gr.Recommender("mf").fit(split.train, valid=split.train, **HOW)


@pytest.mark.parametrize(("value", "kind", "told"), [
    (float("nan"), FloatingPointError, "epoch 1, step 1, before anything was learnt: the loss or the model"),
    (1j, InputError, "must give a scalar tensor, got a complex number"),
])  # fmt: skip
def test_a_loss_of_ones_own_is_not_blamed_on_the_rate(split, value, kind, told):
    with pytest.raises(kind, match=told):
        gr.Recommender("mf").fit(split.train, loss=lambda pos, neg: ((pos[:, None] - neg) * value).sum(), **HOW)


def test_scores_of_a_ranking_are_no_ratings(interactions):
    split = gr.split.random(interactions, test=0.2, seed=2)
    ials = gr.Recommender("ials"), {"epochs": 1, "progress": False}  # whose objective is an object of its own
    for recommender, options in ((gr.Recommender("mf"), {"loss": "bpr", **HOW}), (gr.Recommender("itemknn"), {}), ials):
        recommender.fit(split.train.binarize(), **options)
        with pytest.raises(InputError, match="was not fitted to ratings, and its scores are none"):
            gr.evaluate_ratings(recommender, split)
    rated = gr.Recommender("mf").fit(split.train, loss="mse", **HOW)
    assert gr.evaluate_ratings(rated, split)["rmse"] > 0


def test_people_whom_nobody_knows_are_cold(split):
    recommender = gr.Recommender("itempop").fit(split.train)
    one = split.train.user_ids[0]
    stranger = 10**30 if split.train.user_ids.dtype.kind == "i" else "stranger"
    with pytest.raises(InputError, match="unknown user id"):
        recommender.recommend([one, stranger], k=3)
    assert recommender.recommend([stranger, one], k=3, cold="skip").equals(recommender.recommend([one], k=3))
    popular = recommender.recommend([stranger, one], k=3, cold="popular", filter_seen=False)
    assert popular["user_id"].tolist() == [stranger] * 3 + [one] * 3
    assert popular["item_id"].tolist()[:3] == popular["item_id"].tolist()[3:]
    with pytest.raises(InputError, match="id"):
        recommender.recommend([1.5], k=3, cold="popular")


def test_the_same_letters_in_another_unicode_form_are_named():
    import unicodedata

    import pandas as pd

    composed = unicodedata.normalize("NFC", "café")
    table = gr.Interactions.from_frame(pd.DataFrame({"u": [composed, "b"], "i": [1, 2]}), user="u", item="i")
    with pytest.raises(InputError, match=r"another Unicode form: unicodedata.normalize\('NFC', id\)"):
        table.user_index(unicodedata.normalize("NFD", "café"))


@pytest.mark.parametrize("rows", [np.ones(3, bool), np.array([0, 10**6])])
def test_select_refuses_rows_that_are_not_there(interactions, rows):
    with pytest.raises(InputError, match="select: "):
        interactions.select(rows)
